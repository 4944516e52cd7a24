import { context, propagation, trace } from '@opentelemetry/api'
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import { NodeContexts } from './node-contexts.ts'

// Loaded before a program with `node --import`: an SDK that writes a line to standard error for every span, `span <trace id> <name>`.
const exporter: SpanExporter = {
  export(spans, done) {
    for (const span of spans) process.stderr.write(`span ${span.spanContext().traceId} ${span.name}\n`)
    done({ code: ExportResultCode.SUCCESS })
  },
  shutdown: async () => undefined,
}
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
context.setGlobalContextManager(new NodeContexts())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
