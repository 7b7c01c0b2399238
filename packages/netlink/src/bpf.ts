/** One classic BPF instruction (struct sock_filter, linux/filter.h). */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}
