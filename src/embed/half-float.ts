/** Numbers of half precision (IEEE 754 binary16) as their bits; Node 22 has no array type for them. */
export function fromHalfFloats(data: ArrayBufferView): Float32Array {
  const bits = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / Uint16Array.BYTES_PER_ELEMENT)
  return Float32Array.from(bits, numberOf)
}

function numberOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * 2 ** -24 * fraction
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * 2 ** (exponent - 25) * (1024 + fraction)
}
