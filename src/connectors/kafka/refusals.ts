/** Why one side of a connection does not want the other, and what to do about it. */
export interface Refusal {
  readonly fact: string
  readonly fix: string
}

const renewClient = 'Renew the certificate in `ssl.certFile` or `ssl.cert`, or let the broker trust its authority.'
const trustBroker = 'Give the certificate of its authority in `ssl.caFile` or `ssl.ca`.'

/** By what OpenSSL, Node and KafkaJS say. An alert is what a broker says, and Java is sparing of reasons. */
const refusals: readonly (readonly [sign: RegExp, refusal: Refusal])[] = [
  [
    /alert (bad certificate|certificate required)/,
    { fact: 'the broker wants a certificate of the client', fix: 'Give one in `ssl.certFile` and `ssl.keyFile`.' },
  ],
  [/alert certificate expired/, { fact: 'the certificate of the client has expired', fix: renewClient }],
  [
    /alert (certificate unknown|unknown ca)/,
    {
      fact: 'the broker does not accept the certificate of the client: it has expired, or its authority is not known there',
      fix: renewClient,
    },
  ],
  [
    /certificate has expired/,
    {
      fact: 'the certificate of the broker has expired',
      fix: 'Renew it; if it is not old, set the clock of this machine right.',
    },
  ],
  [
    /certificate is not yet valid/,
    { fact: 'the certificate of the broker is not valid yet', fix: 'Set the clock of this machine right.' },
  ],
  [
    /unable to (verify|get)|self.signed certificate/,
    { fact: 'nobody who is trusted here has signed the certificate of the broker', fix: trustBroker },
  ],
  [
    /does not match certificate's altnames/,
    {
      fact: 'the certificate of the broker is for another name',
      fix: 'Reach the broker by a name that is in it, or give that name as `ssl.servername`.',
    },
  ],
  [
    /wrong version number|packet length too long/,
    { fact: 'the broker speaks no TLS there', fix: 'Name the port of a listener with TLS, or leave `ssl` out.' },
  ],
  [
    /SASL (PLAIN|SCRAM).* authentication failed/,
    {
      fact: 'the authentication has failed: the broker does not know the user, or not with this password or mechanism',
      fix: 'Correct user, password and mechanism in `sasl`.',
    },
  ],
]

/** What stands behind the reason of an error; undefined when it is about something else. */
export function refusalOf(reason: string): Refusal | undefined {
  return refusals.find(([sign]) => sign.test(reason))?.[1]
}
