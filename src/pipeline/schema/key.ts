import { z } from 'zod'

/** A key that may be left out. What it is then, where that can be said in a value, is told to people and passed on to nobody. */
export function optional<Schema extends z.ZodType>(schema: Schema, description: string, standard?: unknown) {
  return z.exactOptional(schema.meta({ description, ...(standard !== undefined && { default: standard }) }))
}

/** A text that is never shown. */
export function secret(): z.ZodString {
  return z.string().min(1).meta({ writeOnly: true })
}

/** A key for every option of a function but those that a file cannot hold: a missing one does not compile. */
export type KeysOf<Options, Left extends keyof Options> = Readonly<Record<Exclude<keyof Options, Left>, z.ZodType>>

export const wholeNumber = z.int().min(1)

/** `{ qdrant: ... }`: the key that is there says which one is meant. */
export function exactlyOne<Shape extends z.core.$ZodShape>(schema: z.ZodObject<Shape>, names: readonly string[]) {
  return schema.meta({ minProperties: 1 }).refine((value) => names.filter((name) => name in value).length === 1, {
    message: `needs exactly one of ${names.join(', ')}`,
    when: ({ value }) => typeof value === 'object' && value !== null && !Array.isArray(value),
  })
}
