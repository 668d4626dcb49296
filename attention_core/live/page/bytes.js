// What Python sends as bytes, as numbers. Nothing is copied unless the bytes do not lie as numbers must.

/** @param {DataView} view */
export function floats({ buffer, byteOffset, byteLength }) {
  if (byteOffset % 4) return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

/** @param {DataView} view */
export const bytes = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
