import { expect, test } from 'vitest'
import { Lifecycle } from '../../src/runtime/lifecycle.ts'

test('a listener hears every change with where it came from', () => {
  const lifecycle = new Lifecycle()
  const heard: string[] = []
  lifecycle.onChange((to, from) => heard.push(`${from} -> ${to}`))

  for (const state of ['starting', 'rebalancing', 'running', 'running', 'closing', 'closed'] as const)
    lifecycle.move(state)

  expect(heard).toEqual([
    'created -> starting',
    'starting -> rebalancing',
    'rebalancing -> running',
    'running -> closing',
    'closing -> closed',
  ])
})

test('a step that the picture does not have is refused', () => {
  const lifecycle = new Lifecycle()

  expect(() => lifecycle.move('running')).toThrow(/ILLEGAL_STATE.*created to running/)
})
