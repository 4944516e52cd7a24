/** How the server prints numbers: the shortest digits that read back, a fraction on every float, exponents with a sign. */

export function formatFloat64(value: number): string {
  if (!Number.isFinite(value)) return 'null'
  return layOut(String(Math.abs(value)), value)
}

export function formatFloat32(value: number): string {
  if (!Number.isFinite(value)) return 'null'
  if (value === 0) return layOut('0', value)
  const size = Math.abs(value)
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(size.toPrecision(digits))
    if (Math.fround(candidate) === size) return layOut(String(candidate), value)
  }
  return layOut(String(Number(size.toPrecision(9))), value)
}

/** `text` is what JavaScript prints for the absolute value: its digits are right, only the notation differs. */
function layOut(text: string, value: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const [mantissa = '0', exponentText = '0'] = text.split('e')
  const [whole = '0', fraction = ''] = mantissa.split('.')
  const padded = whole + fraction
  const digits = padded.replace(/^0+/, '')
  if (digits === '') return `${sign}0.0`
  const exponent = Number(exponentText) + whole.length - 1 - (padded.length - digits.length)
  return sign + place(digits.replace(/0+$/, ''), exponent)
}

/** `exponent` is the power of ten of the first digit. */
function place(digits: string, exponent: number): string {
  if (exponent < -5 || exponent > 15) {
    const tail = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${digits[0]}${tail}e${exponent < 0 ? '-' : '+'}${Math.abs(exponent)}`
  }
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`
  if (digits.length <= exponent + 1) return `${digits.padEnd(exponent + 1, '0')}.0`
  return `${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`
}

/** How Rust prints a float in a sentence: no exponent, and no fraction when there is none. */
export function plainFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'inf' : '-inf'
  const text = String(value)
  if (!text.includes('e')) return Object.is(value, -0) ? '-0' : text
  const [mantissa = '', power = '0'] = text.split('e')
  const sign = mantissa.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const exponent = Number(power)
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${whole}${fraction}`
  return sign + (whole + fraction).padEnd(exponent + 1, '0')
}
