import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { reasonOf, StreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { type QueriedRuntime, type QueryServer, serveQueries } from '../serve/queries/serve-queries.ts'
import { portNumber } from './port-number.ts'

/** What commands that run a program take to let others read its stores. */
export interface QueryOptions {
  readonly queryPort?: number
  readonly queryHost?: string
  readonly queryAddress?: string
  readonly queryTokenFile?: string
  /** False: `--no-query-token`. */
  readonly queryToken: boolean
}

/** Names the token where no file does. */
const tokenVariable = 'MILLRACE_QUERY_TOKEN'

export function withQueryOptions(command: Command): Command {
  return command
    .option('--query-port <number>', 'let others read the stores there: /stores, /entries', portNumber)
    .option('--query-host <address>', 'the address that --query-port is opened on (default: 127.0.0.1)')
    .option('--query-address <url>', 'where other instances reach it (default: host and port)')
    .option('--query-token-file <file>', `what readers have to show (default: the variable ${tokenVariable})`)
    .option('--no-query-token', 'let everybody read who reaches the port')
}

/**
 * The server that the options ask for; undefined when they ask for none. Throws USAGE when they do not say who may read, or say it without
 * `--query-port`.
 */
export async function openQueries(
  runtime: QueriedRuntime,
  options: QueryOptions,
  logger: Logger,
): Promise<QueryServer | undefined> {
  const { queryPort: port, queryHost: host, queryAddress: address } = options
  if (port === undefined) {
    if ([host, address, options.queryTokenFile].every((value) => value === undefined)) return undefined
    throw new StreamError('USAGE', 'the options say how stores are read, and not where', { fix: 'Give --query-port.' })
  }
  return serveQueries({ runtime, port, host, address, logger, token: await tokenOf(options) })
}

/** Null: none, as the options say in so many words. */
async function tokenOf({ queryToken, queryTokenFile }: QueryOptions): Promise<string | null> {
  if (!queryToken && queryTokenFile !== undefined)
    throw new StreamError('USAGE', '--query-token-file and --no-query-token say the opposite', { fix: 'Give one.' })
  if (!queryToken) return null
  const token = queryTokenFile === undefined ? process.env[tokenVariable] : await tokenIn(queryTokenFile)
  if (token !== undefined) return token
  throw new StreamError('USAGE', '--query-port does not say who may read the stores', {
    fix: `Give --query-token-file or the variable ${tokenVariable}, or --no-query-token to let everybody who reaches the port.`,
  })
}

async function tokenIn(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    const fact = `the token for queries cannot be read from ${file}: ${reasonOf(cause)}`
    throw new StreamError('CONFIG_INVALID', fact, { cause })
  }
}
