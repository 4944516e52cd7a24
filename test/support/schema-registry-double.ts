import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

type Reference = { readonly name: string; readonly subject: string; readonly version: number }

interface Stored {
  readonly schema: string
  readonly schemaType?: string
  readonly references?: readonly Reference[]
}

interface DoubleAnswer {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** What one request gets instead of its answer. `hang` gets none, `reset` loses its connection. */
export type RegistryFault = DoubleAnswer | 'hang' | 'reset'

export interface RegistryRequest {
  readonly line: string
  readonly headers: IncomingMessage['headers']
  readonly body: Stored | undefined
}

/** The REST interface of Confluent's registry in memory: ids, subjects, versions, its numbers of errors, and faults to order. */
export class SchemaRegistryDouble implements AsyncDisposable {
  readonly requests: RegistryRequest[] = []
  /** Taken from the front, one a request. */
  readonly faults: RegistryFault[] = []
  /** Answers every request, as a page or a proxy would. */
  always: RegistryFault | undefined
  /** A request without it gets 401. */
  authorization: string | undefined
  #incompatible: string | undefined
  readonly #schemas = new Map<number, Stored>()
  readonly #subjects = new Map<string, number[]>()
  readonly #server = createServer((request, response) => void this.#handle(request, response))

  static async start(): Promise<SchemaRegistryDouble> {
    const double = new SchemaRegistryDouble()
    await new Promise<void>((resolve) => double.#server.listen(0, '127.0.0.1', resolve))
    return double
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get lines(): string[] {
    return this.requests.map(({ line }) => line)
  }

  /** Puts a schema there under an id of the caller's. */
  put(id: number, stored: Stored, subject = `subject-${id}`): void {
    this.#schemas.set(id, stored)
    this.#subjects.set(subject, [...(this.#subjects.get(subject) ?? []), id])
  }

  /** From now on a schema with this text is compatible with nothing. */
  refuse(schema: string): void {
    this.#incompatible = schema
  }

  /** The id of the newest version of a subject. */
  latest(subject: string): number | undefined {
    return this.#subjects.get(subject)?.at(-1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const part of request) text += part
    const line = `${request.method} ${request.url}`
    const body: Stored | undefined = text === '' ? undefined : JSON.parse(text)
    this.requests.push({ line, headers: request.headers, body })
    const fault = this.always ?? this.faults.shift()
    if (fault === 'hang') return
    if (fault === 'reset') return void request.socket.destroy()
    const { status, body: answer, headers } = fault ?? this.#answer(line, request.headers.authorization, body)
    const isText = typeof answer === 'string'
    response.writeHead(status, {
      'content-type': isText ? 'text/html' : 'application/vnd.schemaregistry.v1+json',
      ...headers,
    })
    response.end(isText ? answer : JSON.stringify(answer))
  }

  #answer(line: string, authorization: string | undefined, body: Stored | undefined): DoubleAnswer {
    if (this.authorization !== undefined && authorization !== this.authorization) return error(401, 401, 'Unauthorized')
    const [, method, path = ''] = /^(\S+) ([^?]*)/.exec(line) ?? []
    const [kind, first = '', second, version] = path.slice(1).split('/').map(decodeURIComponent)
    if (method === 'GET' && kind === 'schemas' && first === 'ids') return this.#byId(Number(second))
    if (kind !== 'subjects' || second === undefined ? method !== 'POST' : second !== 'versions')
      return error(404, 404, 'HTTP 404 Not Found')
    if (method === 'GET') return this.#byVersion(first, Number(version))
    return body ? this.#post(first, body, second !== undefined) : error(422, 42201, 'Empty schema')
  }

  #byId(id: number): DoubleAnswer {
    const stored = this.#schemas.get(id)
    return stored ? { status: 200, body: stored } : error(404, 40403, `Schema ${id} not found`)
  }

  #byVersion(subject: string, version: number): DoubleAnswer {
    const ids = this.#subjects.get(subject)
    if (!ids) return error(404, 40401, `Subject '${subject}' not found.`)
    const id = ids[version - 1]
    const stored = id === undefined ? undefined : this.#schemas.get(id)
    return stored
      ? { status: 200, body: { subject, version, id, ...stored } }
      : error(404, 40402, `Version ${version} not found.`)
  }

  #post(subject: string, body: Stored, register: boolean): DoubleAnswer {
    if (!isValid(body)) return error(422, 42201, `Invalid schema ${body.schema}`)
    const ids = this.#subjects.get(subject) ?? []
    const known = ids.find((id) => this.#schemas.get(id)?.schema === body.schema)
    if (known !== undefined)
      return { status: 200, body: { subject, version: ids.indexOf(known) + 1, id: known, ...body } }
    if (!register) {
      return ids.length === 0
        ? error(404, 40401, `Subject '${subject}' not found.`)
        : error(404, 40403, 'Schema not found')
    }
    if (body.schema === this.#incompatible)
      return error(409, 409, 'Schema being registered is incompatible with an earlier schema')
    const same = [...this.#schemas].find(([, stored]) => stored.schema === body.schema)?.[0]
    const id = same ?? Math.max(0, ...this.#schemas.keys()) + 1
    this.put(id, body, subject)
    return { status: 200, body: { id } }
  }
}

function isValid({ schema, schemaType = 'AVRO' }: Stored): boolean {
  if (schemaType === 'PROTOBUF') return /syntax|message/.test(schema)
  try {
    JSON.parse(schema)
    return true
  } catch {
    return false
  }
}

const error = (status: number, code: number, message: string): DoubleAnswer => ({
  status,
  body: { error_code: code, message },
})
