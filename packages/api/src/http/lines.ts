const newline = 0x0a;

/** Cuts a stream of bytes at line ends. A last line without an end was cut off and is dropped. */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const text = decodeAll([...rest, chunk.subarray(start, end)]);
      rest = [];
      start = end + 1;
      if (text !== "") yield text;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
}

const decoder = new TextDecoder();

function decodeAll(parts: readonly Uint8Array[]): string {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return decoder.decode(only);
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return decoder.decode(whole);
}
