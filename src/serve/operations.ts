import { systemClock } from '../clock.ts'
import { type Logger, silentLogger } from '../logger.ts'
import type { RuntimeState, RuntimeView } from '../runtime/views.ts'
import { type Answer, HttpServer, json } from './http-server.ts'
import { liveness, readiness, startup, type Verdict } from './probes.ts'
import type { RuntimeMetrics } from './runtime-metrics.ts'

export interface OperationsOptions {
  /** A StreamRuntime, started or not. */
  readonly runtime: ObservedRuntime
  /** The observer that the runtime was made with. */
  readonly metrics: RuntimeMetrics
  /** 0 takes any that is free. Default 9464. */
  readonly port?: number | undefined
  /** Default 127.0.0.1; `0.0.0.0` in a container. */
  readonly host?: string
  readonly logger?: Logger
}

/** What is looked at of a runtime. */
export interface ObservedRuntime {
  readonly view: RuntimeView
  onStateChange(listener: (to: RuntimeState) => void): () => void
}

export interface OperationsServer extends AsyncDisposable {
  /** `http://127.0.0.1:9464` */
  readonly url: string
  close(): Promise<void>
}

/**
 * Serves `/metrics`, `/livez`, `/readyz` and `/startupz` of a runtime. Open it before the runtime starts, so that a probe is answered from
 * the beginning. It closes when the runtime is closed; one that has failed is still told of. Throws CONFIG_INVALID when the address
 * cannot be listened on.
 *
 * @example
 * const metrics = new RuntimeMetrics({ topology, application: 'documents-to-index' })
 * const runtime = new StreamRuntime({ topology, broker, application: 'documents-to-index', observer: metrics })
 * await using server = await serveOperations({ runtime, metrics })
 * await runtime.start()
 */
export async function serveOperations(options: OperationsOptions): Promise<OperationsServer> {
  const { runtime, metrics, port = 9464, host = '127.0.0.1', logger = silentLogger } = options
  const server = await HttpServer.open({
    port,
    host,
    clock: systemClock,
    logger,
    routes: {
      '/metrics': async () => {
        return { status: 200, contentType: metrics.contentType, body: await metrics.text(runtime.view) }
      },
      '/livez': () => answerOf(liveness(runtime.view)),
      '/readyz': () => answerOf(readiness(runtime.view)),
      '/startupz': () => answerOf(startup(runtime.view)),
    },
  })
  logger.info({ url: server.url }, 'metrics and probes are served')
  const close = async () => {
    forget()
    metrics.close()
    await server.close()
  }
  const forget = runtime.onStateChange((state) => {
    if (state === 'closed') void close()
  })
  return { url: server.url, close, [Symbol.asyncDispose]: close }
}

function answerOf({ ok, reason }: Verdict): Answer {
  return json(ok ? 200 : 503, { ok, reason })
}
