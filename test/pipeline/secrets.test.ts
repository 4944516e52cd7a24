import { describe, expect, test } from 'vitest'
import { pipelineOf, problemsOf, smallPipeline } from '../support/pipelines.ts'

describe('what is printed of a pipeline', () => {
  test('has no value of a file, whatever key it is for, not even a number or a part', () => {
    const files = { '/name': 'canary-name', '/number': '4711', '/ca': 'canary-ca' }
    const printed = pipelineOf(
      `${smallPipeline}kafka: { clientId: "me-\${file:/name}", ssl: { ca: "\${file:/ca}" } }\nruntime: { commitIntervalMs: "\${file:/number}" }\n`,
      { files },
    ).print()

    expect(printed).toContain('clientId: <redacted>\n')
    expect(printed).toContain('ca: <redacted>\n')
    expect(printed).toContain('commitIntervalMs: <redacted>\n')
    expect(printed).not.toMatch(/canary|4711/)
  })

  test('has no secret that stands in the file itself, also where an alias repeats it', () => {
    const printed = pipelineOf(
      `${smallPipeline}kafka: { sasl: { mechanism: plain, username: abc, password: &p canary-word }, clientId: *p }\ndeadLetters: { topic: a-canary-word-z }\n`,
    ).print()

    expect(printed).toContain('username: abc\n')
    expect(printed).toContain('clientId: <redacted>\n')
    expect(printed).toContain('topic: a-<redacted>-z\n')
  })

  test('has a secret of three letters only where it is not one', () => {
    const printed = pipelineOf(
      `${smallPipeline}kafka: { sasl: { mechanism: plain, username: xabcx, password: abc } }\n`,
    ).print()

    expect(printed).toContain('username: xabcx\n')
    expect(printed).toContain('password: <redacted>\n')
  })

  test('is a pipeline again once the secrets are put back', () => {
    const text = `${smallPipeline}kafka: { sasl: { mechanism: plain, username: u, password: canary } }\nfilter: [{ field: $key, endsWith: .md }]\n`
    const printed = pipelineOf(text).print()

    expect(pipelineOf(printed.replace('<redacted>', 'canary')).settings).toEqual(pipelineOf(text).settings)
    expect(pipelineOf(printed.replace('<redacted>', 'canary')).print()).toBe(printed)
  })
})

test('a problem that a part tells has no secret in it', () => {
  const text = smallPipeline.replace(
    "sqlite: { path: ':memory:' }",
    `qdrant: { collection: a, url: "http://far.example.com/\${file:/path}", apiKey: key }`,
  )
  const [problem, ...others] = problemsOf(text, { files: { '/path': 'canary-path' } })

  expect(others).toEqual([])
  expect(problem?.message).toMatch(/^an API key would travel unencrypted to <redacted>/)
})
