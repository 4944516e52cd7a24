import { z } from 'zod'
import { optional, wholeNumber } from './key.ts'

/** The path that means the key of the record instead of a field. */
export const keyField = '$key'

const wrongPath = 'must be the path of a field: author.name, tags.0 or /author/name'
const fieldPath = z.string().regex(/^(\/.*|[^./$][^.]*(\.[^.]+)*)$/s, wrongPath)
const fieldOrKey = z.string().regex(/^(\$key|\/.*|[^./$][^.]*(\.[^.]+)*)$/s, `${wrongPath}, or $key`)

const pathRule =
  'Names with dots: `author.name`; positions of lists: `tags.0`; names that have dots themselves as JSON Pointer: `/a.b/c`.'

export const sourceSchema = z.strictObject({
  topic: z
    .string()
    .regex(/^[a-zA-Z0-9._-]{1,249}$/, 'may hold only letters, digits, ".", "_" and "-"')
    .meta({ description: 'The topic to read. Keys are texts and name the documents; null deletes one.' }),
  format: z
    .enum(['json', 'avro', 'jsonSchema', 'protobuf', 'text', 'file'])
    .default('json')
    .describe(
      'What a value is: `json` an object, `text` the document itself, `file` what `millrace produce` writes: `{path, text}`; `avro`, `jsonSchema` and `protobuf` an object behind the id of its schema in `schemaRegistry`.',
    ),
})

export const documentSchema = z.strictObject({
  text: optional(
    fieldPath,
    `The field that holds the text; with \`file\` it is \`text\`, with objects it must be given. ${pathRule}`,
  ),
  title: optional(fieldPath, 'The field that holds a title; it comes before the headings in every heading path.'),
  metadata: optional(
    z.record(z.string().regex(/^(?!source$|heading$).+$/, 'is set by Millrace'), fieldPath),
    'What the payload of every point holds beside the text: name to field. The key of the record is there as `source`.',
  ),
})

export const chunkerSchema = z.strictObject({
  kind: optional(z.enum(['markdown', 'plain']), 'How the text is read.', 'markdown'),
  min: optional(z.int().min(0), 'No cut leaves less on either side; at most half of `max`. UTF-16 units.', 200),
  max: optional(wholeNumber, 'No chunk is longer. UTF-16 units.', 1_400),
  maxDocumentBytes: optional(wholeNumber, 'A larger text is a dead letter (DOCUMENT_TOO_LARGE).', 1_048_576),
})

const scalar = z.union([z.string(), z.number(), z.boolean()])
const bound = z.union([z.number(), z.string()])

const tests = {
  equals: optional(scalar, 'The field is this value.'),
  notEquals: optional(scalar, 'The field is another value, or not there.'),
  in: optional(z.array(scalar).min(1), 'The field is one of these.'),
  notIn: optional(z.array(scalar).min(1), 'The field is none of these, or not there.'),
  exists: optional(z.boolean(), '`true`: the field is there and not null; `false`: it is not.'),
  atLeast: optional(
    bound,
    'The field is this number or a larger one; texts are compared as texts, which is right for ISO dates.',
  ),
  atMost: optional(bound, 'The field is this number or a smaller one.'),
  startsWith: optional(z.string().min(1), 'The text of the field begins so.'),
  endsWith: optional(z.string().min(1), 'The text of the field ends so.'),
  contains: optional(scalar, 'The text holds this text, or the list has this member.'),
}

export const testNames = Object.keys(tests) as readonly (keyof typeof tests)[]

const condition = z
  .strictObject({
    field: fieldOrKey.meta({ description: 'The field to look at; `$key` is the key of the record.' }),
    ...tests,
  })
  .meta({ minProperties: 2, maxProperties: 2 })
  .refine((given) => testNames.filter((name) => name in given).length === 1, {
    message: `needs exactly one of ${testNames.join(', ')}`,
    when: ({ value }) => typeof value === 'object' && value !== null && !Array.isArray(value),
  })

const alternatives = z.strictObject({
  any: z.array(condition).min(1).meta({ description: 'Conditions of which one has to hold.' }),
})

/** Conditions that all have to hold. */
export const filterSchema = z.array(z.union([condition, alternatives]))

export type Condition = z.infer<typeof condition>
export type Filter = z.infer<typeof filterSchema>
