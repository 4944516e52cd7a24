import type { IndexReport, Pipeline } from '../../topology/processor.ts'
import { type Check, type Finding, ok, warning } from './check.ts'

/** The targets of the pipeline: reachable, new enough, of the right shape, and written by this pipeline. */
export const indexes: Check<'indexes'> = {
  name: 'index',
  needs: ['indexes'],
  async examine({ indexes: targets }) {
    const findings = await Promise.all(
      targets.map(async ({ index, pipeline }) => {
        const report = await index.inspect?.({ dimensions: pipeline?.dimensions })
        if (!report) return [warning(`${index.name} cannot be looked at without opening it`, 'Look at it by hand.')]
        return findingsOf(index.name, report, pipeline)
      }),
    )
    return findings.flat()
  },
}

function findingsOf(name: string, report: IndexReport, pipeline: Pipeline | undefined): readonly Finding[] {
  if (!report.exists) return [ok(`${name} answers, and will be made`)]
  const remarks = [
    ...report.missing.map((what) =>
      warning(
        `${name} has no ${what}, without which a document is found slowly`,
        'The next `millrace run` makes it; on a large collection make it before, when there is little to do.',
      ),
    ),
    ...foreign(name, report, pipeline),
  ]
  return remarks.length > 0 ? remarks : [ok(`${name} fits`)]
}

/** Vectors of two models must not be compared. */
function foreign(name: string, { pipelines }: IndexReport, pipeline: Pipeline | undefined): readonly Finding[] {
  const others = pipelines.filter((id) => id !== pipeline?.id)
  if (!pipeline || others.length === 0) return []
  return [
    warning(
      `${name} has points of another pipeline (${others.join(', ')} instead of ${pipeline.id}): another model, prefix or chunker made them`,
      'Produce all documents again, so that they are replaced, or choose another collection; until then searches compare what cannot be compared.',
    ),
  ]
}
