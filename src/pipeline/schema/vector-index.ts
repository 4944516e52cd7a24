import { z } from 'zod'
import type { QdrantOptions, SqliteIndexOptions } from '../../connectors/index.ts'
import { exactlyOne, type KeysOf, optional, secret, wholeNumber } from './key.ts'

const name = z.string().min(1)
const wrongName = 'must be letters, digits, dots, dashes and underscores'

const qdrant = {
  collection: z
    .string()
    .regex(/^(?!\.{1,2}$)[^<>:"/\\|?*]{1,255}$/, wrongName)
    .refine((text) => !/\p{Cc}/u.test(text), wrongName)
    .meta({ description: 'Made when it is missing.' }),
  url: optional(
    z.string().regex(/^https?:\/\/[^\s/]+/, 'must be an http or https address'),
    'The REST interface.',
    'http://127.0.0.1:6333',
  ),
  apiKey: optional(secret(), 'With write access; refused over plain http to another machine.'),
  contentKey: optional(name, 'Key of the payload that holds the text.', 'content'),
  metadataKey: optional(name, 'Key of the payload that holds the metadata.', 'metadata'),
  maxRequestPoints: optional(wholeNumber, 'A request is closed at so many points.', 256),
  maxRequestBytes: optional(wholeNumber, 'A request is closed at so many bytes.', 2_097_152),
  requestTimeoutMs: optional(wholeNumber, 'Then a request is repeated; at most half of `sessionTimeoutMs`.', 20_000),
  failureDeadlineMs: optional(wholeNumber, 'How long a point is tried that alone makes the server fail.', 300_000),
  fence: optional(
    z.boolean(),
    'The server refuses late writes of former owners; Qdrant 1.19, see guarantees.md.',
    false,
  ),
} satisfies KeysOf<QdrantOptions, 'readOnly' | 'clock' | 'logger'>

const sqlite = {
  path: optional(name, 'The file; folders are made.', 'millrace-index.db'),
  busyTimeoutMs: optional(z.int().min(0), 'How long a transaction waits for another process.', 5_000),
} satisfies KeysOf<SqliteIndexOptions, 'readOnly' | 'clock'>

/** Where the points go. */
export const indexSchema = exactlyOne(
  z.strictObject({
    qdrant: optional(z.strictObject(qdrant), 'A collection of Qdrant 1.10 or later.'),
    sqlite: optional(z.strictObject(sqlite), 'One SQLite file, for one instance and some 200,000 chunks.'),
  }),
  ['qdrant', 'sqlite'],
)

export type IndexDescription = z.infer<typeof indexSchema>
