import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** A proxy as companies have them: everything goes through tunnels (CONNECT). */
export class TunnelProxy implements AsyncDisposable {
  /** Where tunnels were asked for: `host:port`. */
  readonly targets: string[] = []
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer()

  static async start(): Promise<TunnelProxy> {
    const proxy = new TunnelProxy()
    proxy.#server.on('connect', (request, client: Socket) => {
      const target = request.url ?? ''
      proxy.targets.push(target)
      const [host = '', port = '0'] = target.split(':')
      const server = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n')
        server.pipe(client).pipe(server)
      })
      for (const socket of [client, server]) {
        proxy.#sockets.add(socket)
        socket.on('error', () => socket.destroy())
      }
    })
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
