import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { ISocketFactory, ISocketFactoryArgs } from 'kafkajs'

const keepAliveMs = 60_000

/**
 * The connections of one broker object. KafkaJS loses sight of some: of a coordinator that has moved, of a broker that two ask for at once.
 * Each of them would keep the process alive.
 */
export class Sockets {
  readonly #open = new Set<Socket>()
  readonly #certificates: () => ConnectionOptions
  #destroyed = 0

  /** `certificates` is asked for every connection with TLS. */
  constructor(certificates: () => ConnectionOptions = () => ({})) {
    this.#certificates = certificates
  }

  /**
   * For one client of KafkaJS, whose own does the same and forgets the socket. Makes no further connections after the next `destroy`.
   * `onClose` is called for each connection that has ended.
   */
  factory(onClose: () => void = () => undefined): ISocketFactory {
    const destroyed = this.#destroyed
    return (options) => {
      const socket = this.#connect(options)
      socket.once('close', onClose)
      if (destroyed !== this.#destroyed) socket.destroy(closed())
      return socket
    }
  }

  /** Ends every connection, whatever is on its way there. KafkaJS takes its timers back when it hears of an error, and of nothing else. */
  destroy(): void {
    this.#destroyed++
    for (const socket of this.#open) socket.destroy(closed())
  }

  #connect({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
    const name = isIP(host) ? {} : { servername: host }
    const socket = ssl
      ? connectTls({ host, port, ...name, ...ssl, ...this.#certificates() }, onConnect)
      : connectPlain({ host, port }, onConnect)
    socket.setKeepAlive(true, keepAliveMs)
    // KafkaJS lets go of a dead connection again and again, and each time Node takes note for when it is made: no reason to warn of a leak.
    socket.setMaxListeners(0)
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    return socket
  }
}

function closed(): Error {
  return new Error('the client is closed')
}
