import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a test can make the hub do wrong. */
export interface HubFaults {
  /** Resets the connection after so many bytes of a body, so many times; not before they have `arrived`. */
  reset?: { after: number; times: number; arrived?: () => boolean }
  /** Answers with this status, so many times. */
  refuse?: { status: number; times: number; headers?: Readonly<Record<string, string>> }
  /** Sends a body of these bytes under the hash of the right one. */
  swap?: Uint8Array
  /** Ignores ranges, as some proxies do. */
  ignoresRanges?: boolean
  /** Accepts requests for the content of files and says nothing. */
  isSilent?: boolean
  /** Redirects every file to itself. */
  loops?: boolean
}

interface Seen {
  readonly url: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

/**
 * A hub on this machine that answers as huggingface.co does: a listing with the commit; small files at once, with the SHA-1 of git as ETag;
 * large ones by a redirect to another origin that names size and SHA-256 in its headers.
 */
export class ModelHub implements AsyncDisposable {
  readonly faults: HubFaults = {}
  /** Called before each answer. */
  onAnswer: () => void = () => undefined
  readonly seen: Seen[] = []
  /** The commit that branches stand for. */
  revision = 'c0ffee'.padEnd(40, '0')
  readonly #files: Map<string, Uint8Array>
  readonly #id: string
  #port = 0
  readonly #server = createServer((request, response) => this.#answer(request, response))

  private constructor(id: string, files: Readonly<Record<string, Uint8Array>>) {
    this.#id = id
    this.#files = new Map(Object.entries(files))
  }

  static async start(id: string, files: Readonly<Record<string, Uint8Array>>): Promise<ModelHub> {
    const hub = new ModelHub(id, files)
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', resolve))
    hub.#port = (hub.#server.address() as AddressInfo).port
    return hub
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** What was asked for of the large files. */
  get ranges(): readonly (string | undefined)[] {
    return this.seen.flatMap(({ url, range }) => (url.startsWith('/large/') ? [range] : []))
  }

  /** The hub has another file of that name from now on, under the same commit. */
  replace(file: string, content: Uint8Array): void {
    this.#files.set(file, content)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', headers } = request
    this.seen.push({ url, range: headers.range, authorization: headers.authorization })
    this.onAnswer()
    const { refuse } = this.faults
    if (refuse && refuse.times-- > 0) response.writeHead(refuse.status, refuse.headers).end()
    else if (url.startsWith(`/api/models/${this.#id}/revision/`)) this.#list(response)
    else this.#answerFile(request, response)
  }

  #answerFile({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
    const { isSilent, loops, swap } = this.faults
    const [, place, file = ''] = /^\/(large|.*\/resolve\/[^/]+)\/(.*)$/.exec(url) ?? []
    const content = this.#files.get(decodeURIComponent(file))
    const isLarge = place === 'large'
    if (!content) response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end()
    else if (loops) response.writeHead(302, { location: url }).end()
    else if (!isLarge && file.endsWith('.onnx')) this.#lead(file, content, response)
    else if (!isSilent) this.#send(isLarge ? (swap ?? content) : content, headers.range, response)
  }

  #list(response: ServerResponse): void {
    const siblings = [...this.#files.keys()].map((rfilename) => ({ rfilename }))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ sha: this.revision, cardData: { license: 'mit' }, siblings }))
  }

  #lead(file: string, content: Uint8Array, response: ServerResponse): void {
    const sha256 = createHash('sha256').update(content).digest('hex')
    response.writeHead(302, {
      // Another origin, as the store of large files is.
      location: `http://localhost:${this.#port}/large/${file}`,
      'x-linked-etag': `"${sha256}"`,
      'x-linked-size': content.length,
      'x-repo-commit': this.revision,
    })
    response.end()
  }

  #send(content: Uint8Array, range: string | undefined, response: ServerResponse): void {
    const from = this.faults.ignoresRanges ? 0 : Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
    const sha1 = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
    if (from >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end()
      return
    }
    const isPart = range !== undefined && !this.faults.ignoresRanges
    response.writeHead(isPart ? 206 : 200, {
      etag: `"${sha1}"`,
      'content-length': content.length - from,
      ...(isPart && { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
    })
    const { reset } = this.faults
    const body = content.subarray(from)
    if (reset && body.length > reset.after && reset.times-- > 0)
      response.write(body.subarray(0, reset.after), () => resetOnce(response, reset.arrived))
    else response.end(body)
  }
}

function resetOnce(response: ServerResponse, arrived: () => boolean = () => true): void {
  setImmediate(() => {
    if (arrived()) response.destroy()
    else resetOnce(response, arrived)
  })
}
