import { z } from 'zod'

/**
 * A text file as the folder and change-stream feeds emit it: the value of a record whose key is its path.
 *
 * @example
 * kafka({ topic: 'documents', key: string, value: json(FileDocument) })
 */
export const FileDocument = z.object({
  /** Relative to the folder, with forward slashes on every system. */
  path: z.string(),
  text: z.string(),
})

export type FileDocument = z.infer<typeof FileDocument>
