import { type Context, propagation, ROOT_CONTEXT, type TextMapGetter, type TextMapSetter } from '@opentelemetry/api'
import { type Header, type Headers, headerText, type StreamRecord } from '../record.ts'

const getter: TextMapGetter<Headers> = {
  keys: (headers) => headers.map(({ key }) => key),
  get: (headers, key) => headerText(headers, key),
}

const setter: TextMapSetter<Header[]> = {
  set: (headers, key, value) => headers.push({ key, value: new TextEncoder().encode(value) }),
}

/** What came with a record: its producer's span, as the propagators of the process read it. */
export function contextOf(headers: Headers): Context {
  return headers.length === 0 ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, headers, getter)
}

/** The record with `context` in its headers, in place of the one that it came with. Without propagators it stays as it is. */
export function carrying<R extends StreamRecord<unknown, unknown>>(record: R, context: Context): R {
  const names = propagation.fields()
  if (names.length === 0) return record
  const headers = record.headers.filter(({ key }) => !names.includes(key))
  propagation.inject(context, headers, setter)
  return { ...record, headers }
}
