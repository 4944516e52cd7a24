import { InvalidArgumentError } from 'commander'

/** Reads an option that names a TCP port; 0 takes any that is free. */
export function portNumber(value: string): number {
  const port = Number(value)
  if (value.trim() === '' || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('It must be a port: a whole number from 0 to 65535.')
  return port
}
