import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** A certificate with its key, PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface CertificateOptions {
  /** Common name of who it is for. */
  readonly name: string
  /** From now, milliseconds; negative: it has expired. Default an hour. */
  readonly validMs?: number
}

const hourMs = 3_600_000
const ecdsaWithSha256 = sequence(objectId('2a8648ce3d040302'))

/** Who signs certificates for a test; each is good for 127.0.0.1, as server and as client. X.509 version 3 (RFC 5280), in DER. */
export class CertificateAuthority {
  readonly #name: string
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  /** Its own certificate, for those who trust it. */
  readonly cert: string

  constructor(name = 'authority') {
    this.#name = name
    this.cert = this.#certify({ name, validMs: hourMs }, this.#keys.publicKey, [basicConstraints])
  }

  issue({ name, validMs = hourMs }: CertificateOptions): Certificate {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return {
      cert: this.#certify({ name, validMs }, publicKey, [forLocalhost]),
      key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    }
  }

  #certify({ name, validMs }: Required<CertificateOptions>, subject: KeyObject, extensions: readonly Buffer[]): string {
    const until = Date.now() + validMs
    const content = sequence(
      tagged(0xa0, tagged(0x02, Buffer.of(2))),
      tagged(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
      ecdsaWithSha256,
      commonName(this.#name),
      sequence(time(Math.min(until, Date.now()) - hourMs), time(until)),
      commonName(name),
      subject.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, sequence(...extensions)),
    )
    const signature = sign('sha256', content, this.#keys.privateKey)
    const whole = sequence(content, ecdsaWithSha256, tagged(0x03, Buffer.concat([Buffer.of(0), signature])))
    return `-----BEGIN CERTIFICATE-----\n${whole.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
  }
}

/** Settings of a Kafka broker that shows this certificate, and asks for one that an authority has signed. */
export function brokerKeys({ cert, key }: Certificate, authority: CertificateAuthority): Record<string, string> {
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.certificate.chain': oneLine(cert),
    'ssl.keystore.key': oneLine(key),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': oneLine(authority.cert),
  }
}

/** A value of a properties file. */
function oneLine(pem: string): string {
  return pem.trim().replaceAll('\n', '\\n')
}

const basicConstraints = extension('551d13', sequence(tagged(0x01, Buffer.of(0xff))))
const forLocalhost = extension('551d11', sequence(tagged(0x87, Buffer.of(127, 0, 0, 1))))

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), tagged(0x04, value))
}

function commonName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(objectId('550403'), tagged(0x0c, Buffer.from(name)))))
}

/** UTCTime: two digits of the year, which is enough until 2049. */
function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replace(/\D/g, '').slice(2, 14)
  return tagged(0x17, Buffer.from(`${digits}Z`))
}

function objectId(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}
