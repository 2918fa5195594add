// Bytes out of the ASCII text that the build wrote them as: shifted by 14; `i` stands before what is 128 more.

/** A plain loop: it is several times faster than `Uint8Array.from` with a function, and every page waits for it. */
export function bytes(text) {
  const array = new Uint8Array(text.length);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    array[length++] = code === 105 ? text.charCodeAt(++index) + 114 : code - 14;
  }
  return array.subarray(0, length);
}
