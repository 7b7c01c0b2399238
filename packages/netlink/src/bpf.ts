/**
 * Classic BPF (linux/filter.h, Documentation/networking/filter.rst): a small assembler for packet socket filters. The program is an
 * array of instructions and labels; jumps name labels, forward only.
 *
 *     assemble([ldh(12), jeq(0x0806, "arp", "drop"), label("arp"), ret(0xffff), label("drop"), ret(0)])
 */
import { NetlinkError } from "./error.ts";

/** One classic BPF instruction (struct sock_filter). */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** A line of a program: an instruction, a jump to labels, or a label. */
export type BpfLine =
  | { readonly label: string }
  | { readonly code: number; readonly k: number; readonly then?: string; readonly otherwise?: string };

const LD = 0x00;
const LDX_MSH = 0xb1;
const JMP_JEQ = 0x15;
const JMP_JSET = 0x45;
const JMP_JGE = 0x35;
const RET = 0x06;
const ABS = 0x20;
const IND = 0x40;
const W = 0x00;
const H = 0x08;
const B = 0x10;
const SKF_AD_OFF = -0x1000;
const SKF_AD_PKTTYPE = 4;

/** A place to jump to. */
export const label = (name: string): BpfLine => ({ label: name });
/** A = the 32-bit word at byte `offset`. A load beyond the end of the frame drops it. */
export const ld = (offset: number): BpfLine => ({ code: LD | W | ABS, k: offset });
/** A = the 16-bit word at byte `offset`. */
export const ldh = (offset: number): BpfLine => ({ code: LD | H | ABS, k: offset });
/** A = the byte at `offset`. */
export const ldb = (offset: number): BpfLine => ({ code: LD | B | ABS, k: offset });
/** A = whom the frame is for, `PACKET_OUTGOING` (4) for one that this host sends; SKF_AD_PKTTYPE. */
export const ldPacketType = (): BpfLine => ({ code: LD | B | ABS, k: SKF_AD_OFF + SKF_AD_PKTTYPE });
/** A = the byte at X + `offset`. */
export const ldbIndirect = (offset: number): BpfLine => ({ code: LD | B | IND, k: offset });
/** X = 4 × the low four bits of the byte at `offset`: the length of an IPv4 header. */
export const ldxHeaderLength = (offset: number): BpfLine => ({ code: LDX_MSH, k: offset });
/** Jump when A equals `value`. An absent label means the next line. */
export const jeq = (value: number, then?: string, otherwise?: string): BpfLine =>
  jump(JMP_JEQ, value, then, otherwise);
/** Jump when A has a bit of `mask`. */
export const jset = (mask: number, then?: string, otherwise?: string): BpfLine =>
  jump(JMP_JSET, mask, then, otherwise);
/** Jump when A is at least `value`. */
export const jge = (value: number, then?: string, otherwise?: string): BpfLine =>
  jump(JMP_JGE, value, then, otherwise);
/** Keep `length` bytes of the frame; 0 drops it. */
export const ret = (length: number): BpfLine => ({ code: RET, k: length });

const jump = (code: number, k: number, then?: string, otherwise?: string): BpfLine => ({
  code,
  k,
  ...(then === undefined ? {} : { then }),
  ...(otherwise === undefined ? {} : { otherwise }),
});

/** Resolves labels. Throws `Invalid` for an unknown label, a backward jump, one over 255 instructions, or a program that is too long. */
export function assemble(lines: readonly BpfLine[]): BpfInstruction[] {
  const positions = new Map<string, number>();
  let position = 0;
  for (const line of lines) {
    if (!("label" in line)) position++;
    else if (positions.has(line.label)) throw invalid(`label ${line.label} is there twice`);
    else positions.set(line.label, position);
  }
  const program: BpfInstruction[] = [];
  for (const line of lines) {
    if ("label" in line) continue;
    const from = program.length + 1;
    const distance = (target: string | undefined) => {
      const to = target === undefined ? from : positions.get(target);
      if (to === undefined) throw invalid(`no label ${target}`);
      if (to < from || to - from > 255) throw invalid(`${target} is ${to - from} instructions away`);
      return to - from;
    };
    program.push({ code: line.code, jt: distance(line.then), jf: distance(line.otherwise), k: line.k >>> 0 });
  }
  if (program.length === 0 || program.length > BPF_MAXINSNS) throw invalid(`${program.length} instructions`);
  return program;
}

const BPF_MAXINSNS = 4096;

/** struct sock_filter { u16 code; u8 jt, jf; u32 k; } of each. */
export function encodeProgram(program: readonly BpfInstruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes[i * 8 + 2] = jt;
    bytes[i * 8 + 3] = jf;
    bytes.writeUInt32LE(k, i * 8 + 4);
  }
  return bytes;
}

/**
 * Runs a program on a frame as the kernel would: how many bytes to keep. For tests of filters without a kernel, and to explain why a frame
 * was not heard. Knows the instructions this assembler makes.
 */
export function runProgram(program: readonly BpfInstruction[], frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let a = 0;
  let x = 0;
  for (let pc = 0; pc < program.length; pc++) {
    const { code, jt, jf, k } = program[pc]!;
    if (code === RET) return k;
    if (code === JMP_JEQ) pc += a === k ? jt : jf;
    else if (code === JMP_JSET) pc += (a & k) !== 0 ? jt : jf;
    else if (code === JMP_JGE) pc += a >= k ? jt : jf;
    else {
      const at = k + ((code & 0xe0) === IND ? x : 0);
      const size = code === (LD | W | ABS) ? 4 : code === (LD | H | ABS) ? 2 : 1;
      if (at + size > frame.byteLength) return 0;
      const value = size === 4 ? view.getUint32(at) : size === 2 ? view.getUint16(at) : view.getUint8(at);
      if (code === LDX_MSH) x = (value & 15) * 4;
      else a = value;
    }
  }
  return 0;
}

const invalid = (detail: string): NetlinkError =>
  new NetlinkError({ code: "Invalid", operation: "assemble BPF program", detail });
