import { type Clock, systemClock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import type { RuntimeState, StoreQueries } from '../../runtime/views.ts'
import { type Answer, type Asked, HttpServer, json } from '../http-server.ts'
import { Forwarder, forwardedHeader } from './forwarder.ts'
import { distanceOf, pageText } from './page.ts'
import { pageRequestOf, storeOf } from './page-request.ts'
import { Pages } from './pages.ts'
import { ReadGuard } from './read-guard.ts'

export interface QueryServerOptions {
  /** A StreamRuntime that has not been started. */
  readonly runtime: QueriedRuntime
  /** What readers have to show as `Authorization: Bearer <token>`, the same for all instances. Null: whoever reaches the port may read. */
  readonly token: string | null
  /** 0 takes any that is free. Default 9465. */
  readonly port?: number | undefined
  /** Default 127.0.0.1; `0.0.0.0` in a container. */
  readonly host?: string | undefined
  /** Where other instances reach this one: `http://10.0.0.7:9465`. Default: host and port, unless the host stands for all addresses. */
  readonly address?: string | undefined
  readonly clock?: Clock
  readonly logger?: Logger
}

/** What is read of a runtime. */
export interface QueriedRuntime {
  readonly queries: StoreQueries
  onStateChange(listener: (to: RuntimeState) => void): () => void
}

export interface QueryServer extends AsyncDisposable {
  /** `http://127.0.0.1:9465` */
  readonly url: string
  close(): Promise<void>
}

/**
 * Serves the stores of a runtime: `GET /stores` says what there is and how far behind, `GET /entries?store=counts&key=zurich` reads. What another
 * instance has is asked of that one. Open it before the runtime starts, because the others hear of it when this one joins. It closes when the
 * runtime is closed or has failed. Throws CONFIG_INVALID when the address cannot be listened on, or is none. See docs/reference.md.
 *
 * @example
 * const runtime = new StreamRuntime({ topology, broker, application: 'counts' })
 * await using server = await serveQueries({ runtime, token: 'known-to-all-instances' })
 * await runtime.start()
 */
export async function serveQueries(options: QueryServerOptions): Promise<QueryServer> {
  const { runtime, port = 9465, host = '127.0.0.1', token, clock = systemClock, logger = silentLogger } = options
  requireToken(token)
  const address = options.address === undefined ? undefined : addressOf(options.address)
  const { queries } = runtime
  const pages = new Pages({ queries, clock, forwarder: new Forwarder({ clock, token }) })
  const guard = new ReadGuard(token)
  const routes = {
    '/stores': guard.around(() => json(200, storesIn(queries))),
    '/entries': guard.around((asked) => entries(queries, pages, asked)),
  }
  const server = await HttpServer.open({ port, host, clock, logger, routes })
  const advertised = address ?? (isWildcard(host) ? undefined : server.url)
  if (advertised !== undefined) queries.advertise(advertised)
  else logger.warn({ host }, 'other instances are not told where this one answers queries: give its address')
  if (token === null)
    logger.warn({ url: server.url }, 'whoever reaches the port may read the stores: there is no token')
  logger.info({ url: server.url, address: advertised }, 'stores are served')
  const close = async () => {
    forget()
    await server.close()
  }
  const forget = runtime.onStateChange((state) => {
    if (state === 'closed' || state === 'failed') void close()
  })
  return { url: server.url, close, [Symbol.asyncDispose]: close }
}

async function entries(queries: StoreQueries, pages: Pages, { query, headers }: Asked): Promise<Answer> {
  const store = queries.store(storeOf(query))
  const page = await pages.page(store.name, pageRequestOf(query, store), headers[forwardedHeader] !== undefined)
  return { status: 200, contentType: 'application/json; charset=utf-8', body: pageText(store, page) }
}

/** What there is, who has it, and how far behind the copies of this instance are. */
function storesIn(queries: StoreQueries): object {
  const copies = Map.groupBy(queries.copies, ({ store }) => store)
  const stores = queries.stores.map(({ name, kind, keySerde, partitions }) => ({
    name,
    kind,
    key: keySerde,
    partitions,
    here: (copies.get(name) ?? []).map(({ partition, role, behind }) => ({ partition, role, ...distanceOf(behind) })),
    elsewhere: Array.from({ length: partitions }, (_, partition) => ({
      partition,
      ...queries.hostsOf(name, partition),
    })).filter(({ active, standbys }) => active !== undefined || standbys.length > 0),
  }))
  return { address: queries.address ?? null, stores }
}

function requireToken(token: string | null): void {
  if (token === null || /^[\x21-\x7e]{8,}$/.test(token)) return
  throw new StreamError(
    'CONFIG_INVALID',
    'the token for queries is shorter than 8 characters, or has some that no header has',
    {
      fix: 'Make one with `openssl rand -hex 32`, and look for white space around it.',
    },
  )
}

function addressOf(text: string): string {
  const url = URL.parse(text)
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash)
    return text.replace(/\/+$/, '')
  throw new StreamError('CONFIG_INVALID', `"${text}" is no address that other instances could ask`, {
    fix: 'Give one such as http://10.0.0.7:9465.',
  })
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === ''
}
