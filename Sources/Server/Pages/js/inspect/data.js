/** Reads what `POST /inspect` answers. */

export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

export const floatsOf = (base64) => new Float32Array(bytesOf(base64).buffer);

/**
 * One layer's attention: for every head the rows of a lower triangle, a byte a weight.
 * @returns {(head: number, row: number, column: number) => number} the weight from 0 to 1
 */
export function attentionOf(base64, tokens) {
  const bytes = bytesOf(base64), size = (tokens * (tokens + 1)) / 2;
  return (head, row, column) => (column > row ? 0 : bytes[head * size + (row * (row + 1)) / 2 + column] / 255);
}
