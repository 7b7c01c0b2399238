/**
 * The archive format of an initramfs: "newc" without checksums.
 *
 * Each entry is a 110-byte header of ASCII hexadecimal fields, the name, the data; name and data are padded to 4 bytes.
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */
export interface ArchiveEntry {
  /** Path without a leading slash, such as `bin/busybox`. */
  readonly path: string;
  /** Type and permission bits as in `stat.st_mode`, such as 0o100755 for an executable file. */
  readonly mode: number;
  /** A file's bytes, or a symbolic link's target; empty for directories. */
  readonly data?: Uint8Array;
  /** Major and minor number of a device node. */
  readonly device?: readonly [major: number, minor: number];
}

export const file = (path: string, data: Uint8Array, permissions = 0o644): ArchiveEntry => ({
  path,
  mode: 0o100000 | permissions,
  data,
});
export const directory = (path: string): ArchiveEntry => ({ path, mode: 0o040755 });
export const symlink = (path: string, target: string): ArchiveEntry => ({
  path,
  mode: 0o120777,
  data: Buffer.from(target),
});
export const characterDevice = (path: string, major: number, minor: number): ArchiveEntry => ({
  path,
  mode: 0o020600,
  device: [major, minor],
});

const magic = "070701";
const trailer: ArchiveEntry = { path: "TRAILER!!!", mode: 0 };

/** Packs entries in the order given (a directory before what is in it). Same entries, same bytes: all times are 0. */
export function packArchive(entries: readonly ArchiveEntry[]): Buffer {
  return Buffer.concat([...entries, trailer].flatMap(packEntry));
}

function packEntry(entry: ArchiveEntry, index: number): Buffer[] {
  const name = Buffer.from(`${entry.path}\0`);
  const data = entry.data ?? Buffer.alloc(0);
  const inode = entry === trailer ? 0 : index + 1;
  const [major, minor] = entry.device ?? [0, 0];
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [inode, entry.mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length, 0];
  const header = magic + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  return [
    Buffer.from(header),
    name,
    padding(header.length + name.length),
    Buffer.from(data),
    padding(data.length),
  ];
}

function padding(length: number): Buffer {
  return Buffer.alloc(-length & 3);
}
