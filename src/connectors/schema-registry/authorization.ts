import { readFileSync } from 'node:fs'
import { reasonOf, StreamError } from '../../errors.ts'

/** Who asks a registry. A file is read for every request, so that whoever renews what is in it need not restart anything. */
export interface RegistryCredentials {
  /** For basic authentication, together with a password: an API key of Confluent Cloud, or a user. */
  readonly username?: string
  readonly password?: string
  /** In place of `password`. White space around it does not count. */
  readonly passwordFile?: string
  /** Sent as bearer token, instead of user and password. */
  readonly token?: string
  /** In place of `token`. */
  readonly tokenFile?: string
}

/** What the header says, each time that it is asked; nothing without credentials. CONFIG_INVALID for those that do not go together. */
export function authorizationOf(credentials: RegistryCredentials): (() => string) | undefined {
  const { username } = credentials
  const password = secretOf('password', credentials.password, credentials.passwordFile)
  const token = secretOf('token', credentials.token, credentials.tokenFile)
  if (token && (username !== undefined || password)) {
    throw new StreamError('CONFIG_INVALID', 'the schema registry got a token, and a user and password as well')
  }
  if ((username === undefined) !== (password === undefined)) {
    throw new StreamError('CONFIG_INVALID', '`username` and `password` of the schema registry go together')
  }
  if (token) return () => `Bearer ${token()}`
  return password && (() => `Basic ${Buffer.from(`${username}:${password()}`).toString('base64')}`)
}

function secretOf(name: string, given: string | undefined, file: string | undefined): (() => string) | undefined {
  if (given !== undefined && file !== undefined) {
    throw new StreamError('CONFIG_INVALID', `the schema registry got a ${name} twice, as text and as a file`)
  }
  if (file !== undefined) return () => contentOf(name, file)
  return given === undefined ? undefined : () => given
}

function contentOf(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    const fact = `the ${name} for the schema registry cannot be read from ${file}: ${reasonOf(cause)}`
    throw new StreamError('CONFIG_INVALID', fact, { cause })
  }
}
