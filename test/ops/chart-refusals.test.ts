import { describe, expect, test } from 'vitest'
import { chartFolder, onKubernetes, runHelm, valuesFile } from '../support/chart.ts'
import { toolOrSkip } from '../support/ops-tools.ts'

const helm = toolOrSkip('helm') ?? ''

/** What Helm says to the default values with changes, each `place=value`, or `place:=json`. */
async function complaint(...changes: readonly string[]): Promise<string> {
  const flags = changes.flatMap((change) =>
    change.includes(':=') ? ['--set-json', change.replace(':=', '=')] : ['--set', change],
  )
  const parameters = [
    'template',
    'documents',
    chartFolder,
    '--values',
    valuesFile('default'),
    ...onKubernetes,
    ...flags,
  ]
  const { code, stderr } = await runHelm(helm, parameters)
  expect(code, `${changes.join(' ')} is refused`).toBe(1)
  return stderr
}

describe.skipIf(!helm)('values that do not fit are refused with their place', () => {
  test.each([
    ['a name that does not exist', 'replicaCount=2', 'replicaCount'],
    ['a name that does not exist, further down', 'persistence.sise=1Gi', 'sise'],
    ['a kind of workload', 'workload=DaemonSet', 'workload'],
    ['a negative number of instances', 'replicas=-1', 'replicas'],
    ['no instance as the least', 'autoscaling.minReplicas=0', 'minReplicas'],
    ['a lag threshold that is text', 'autoscaling.keda.lagThreshold=many', 'lagThreshold'],
    ['a size without a unit that exists', 'persistence.size=10GB', 'size'],
    ['access by many', 'persistence.accessModes:=["ReadWriteMany"]', 'accessModes'],
    ['a broker without a port', 'kafka.brokers:=["kafka"]', 'brokers'],
    ['an index that is no URL', 'qdrant.url=qdrant:6333', 'url'],
    ['a tag in the repository', 'image.repository=millrace:1.0', 'repository'],
    ['a digest that is none', 'image.digest=sha256:abc', 'digest'],
    ['a privileged port', 'port=80', 'port'],
    ['a secret without its name', 'secrets:=[{"name":"qdrant"}]', 'existingSecret'],
    ['a pipeline that is a list', 'config:=[1]', 'config'],
    ['a topology file of another language', 'topology.key=topology.py', 'key'],
  ])('%s', async (_, change, place) => {
    const text = await complaint(change)

    expect(text).toContain("values don't meet the specifications of the schema")
    expect(text).toContain(place)
  })

  test('what no schema can say: every problem at once, each with its fix', async () => {
    const text = await complaint(
      'existingConfigMap.name=other',
      'model.source=pvc',
      'autoscaling.type=keda',
      'autoscaling.minReplicas=9',
      'terminationGracePeriodSeconds=20',
      'extraEnv:=[{"name":"QDRANT_API_KEY","value":"x"}]',
      'secrets:=[{"name":"a","existingSecret":"b"},{"name":"a","existingSecret":"c"}]',
      'tests.roundTrip.enabled=true',
    )

    expect(text).toContain('CONFIG_INVALID: 10 of the values cannot be used.')
    const places = [
      'config, existingConfigMap.name: the pipeline is given more than once',
      'model.pvc.claimName: empty',
      'autoscaling.minReplicas: 9 is more than maxReplicas, 6',
      'autoscaling.keda.topics: empty',
      'application: empty with autoscaling.type keda',
      'terminationGracePeriodSeconds: 20 s are not more than closeDeadlineMs, 30000 ms',
      'extraEnv.QDRANT_API_KEY: a secret does not belong into the values',
      'secrets: the name a is used twice',
      'tests.roundTrip.collection: empty',
      'tests.roundTrip.topic: empty',
    ]
    for (const place of places) expect(text).toContain(`- ${place}`)
  })

  test('a chart without a pipeline', async () => {
    expect(await complaint('config=null')).toContain('there is no pipeline')
  })

  test('models to add, none of them named', async () => {
    expect(await complaint('model.source=initContainer')).toContain('model.initContainer.names: empty')
  })

  test('scaling by a CPU that nothing is asked of', async () => {
    const changes = ['autoscaling.type=hpa', 'resources.requests.cpu=null']
    expect(await complaint(...changes)).toContain('resources.requests.cpu: missing')
  })

  test('scaling by lag without brokers to ask', async () => {
    const changes = ['autoscaling.type=keda', 'autoscaling.keda.topics:=["a"]', 'kafka.brokers:=[]']
    expect(await complaint(...changes)).toContain('kafka.brokers: empty')
  })

  test('scaling by the lag of a group that only the pipeline names', async () => {
    const keda = ['autoscaling.type=keda', 'autoscaling.keda.topics:=["a"]']
    expect(await complaint(...keda, `config.application=\${APPLICATION}`)).toContain('application: empty')
    expect(await complaint(...keda, 'config=null', 'existingConfigMap.name=team')).toContain('application: empty')
  })

  test('a close that may take longer than the pod has', async () => {
    expect(await complaint('config.runtime.closeDeadlineMs=90000')).toContain('closeDeadlineMs, 90000 ms')
  })

  test('a pipeline as text that is no YAML', async () => {
    expect(await complaint('config:="source: [documents"')).toContain('config: this is no YAML map')
  })
})
