import {
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  DashboardBuilder,
  type DataSourceRef,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { metricPrefix } from '../../src/metrics.ts'

/** A query of a panel, and how its series are called. */
export interface Query {
  readonly expr: string
  readonly legend?: string
  /** There may be nothing to show, in an instance that works: no standbys, say. */
  readonly mayBeEmpty?: true
}

export interface Panel {
  readonly title: string
  /** What it shows, and what to make of it. */
  readonly description: string
  /** Of Grafana: `s`, `ops`, `bytes`, `percentunit`, `short` ... */
  readonly unit: string
  readonly queries: readonly Query[]
  /** One number instead of lines. */
  readonly stat?: true
}

export interface Board {
  /** Of the file and the address, below `millrace-`. */
  readonly name: string
  readonly title: string
  readonly description: string
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[]
}

const datasource: DataSourceRef = { type: 'prometheus', uid: '$' + '{datasource}' }
const width = { stat: 4, lines: 8 } as const
const height = { stat: 4, lines: 8 } as const
const boardWidth = 24

/** The JSON of a board, which Grafana 10 and later import. */
export function dashboardJson(board: Board): string {
  const builder = new DashboardBuilder(board.title)
    .uid(`millrace-${board.name}`)
    .description(board.description)
    .tags(['millrace'])
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
  const variables = ['namespace', 'application', 'instance']
  for (const [at, name] of variables.entries()) builder.withVariable(variable(name, variables.slice(0, at)))
  let y = 0
  for (const { title, panels } of board.rows) {
    builder.withRow(new RowBuilder(title).gridPos({ x: 0, y, w: boardWidth, h: 1 }))
    y = place(builder, panels, y + 1)
  }
  return `${JSON.stringify(builder.build(), null, 2)}\n`
}

/** From left to right, and below when a row is full. Gives where it ends. */
function place(builder: DashboardBuilder, panels: readonly Panel[], top: number): number {
  let [x, y, lowest] = [0, top, 0]
  for (const panel of panels) {
    const kind = panel.stat ? 'stat' : 'lines'
    if (x + width[kind] > boardWidth || (lowest > 0 && lowest !== height[kind])) {
      y += lowest
      x = 0
    }
    lowest = height[kind]
    builder.withPanel(visualization(panel).gridPos({ x, y, w: width[kind], h: height[kind] }))
    x += width[kind]
  }
  return y + lowest
}

function visualization(panel: Panel): StatBuilder | TimeseriesBuilder {
  const { title, description, unit, queries } = panel
  const builder = panel.stat ? latest() : lines()
  builder.title(title).description(description).unit(unit).datasource(datasource)
  for (const [at, { expr, legend = '' }] of queries.entries()) {
    builder.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode(65 + at))
        .expr(expr)
        .legendFormat(legend),
    )
  }
  return builder
}

function latest(): StatBuilder {
  return new StatBuilder().reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
}

function lines(): TimeseriesBuilder {
  const legend = new VizLegendOptionsBuilder()
    .showLegend(true)
    .displayMode(LegendDisplayMode.List)
    .placement(LegendPlacement.Bottom)
  const tooltip = new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending)
  return new TimeseriesBuilder().lineWidth(1).fillOpacity(10).legend(legend).tooltip(tooltip)
}

/** Chosen from what the instances say, among what the variables before it leave. */
function variable(name: string, before: readonly string[]): QueryVariableBuilder {
  const filter = before.map((other) => `${other}=~"$${other}"`).join(',')
  return new QueryVariableBuilder(name)
    .label(`${name.charAt(0).toUpperCase()}${name.slice(1)}`)
    .datasource(datasource)
    .query(`label_values(${metricPrefix}build_info{${filter}}, ${name})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: 'All', value: '$__all' })
}
