// Bytes out of the ASCII text that the build wrote them as: shifted by 1; `|` stands before what is 128 more.

/** A plain loop: it is several times faster than `Uint8Array.from` with a function, and every page waits for it. */
export function bytes(text) {
  const array = new Uint8Array(text.length);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    array[length++] = code === 124 ? text.charCodeAt(++index) + 127 : code - 1;
  }
  return array.subarray(0, length);
}
