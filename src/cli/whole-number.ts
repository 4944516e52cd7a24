import { InvalidArgumentError } from 'commander'

const largest = 1_000_000_000

/** Reads an option that counts something. */
export function wholeNumber(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1 || number > largest) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${largest.toLocaleString('en')}.`)
  }
  return number
}
