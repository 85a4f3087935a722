import { expect, test } from 'vitest'
import { nameCells } from './cards'

const body = (head: string[], rows: string): HTMLElement => {
  const root = document.createElement('div')
  root.innerHTML = `<table class="list"><thead><tr>${head.map((h) => `<th>${h}</th>`).join('')}</tr></thead><tbody>${rows}</tbody></table>`
  nameCells(root)
  return root
}
const names = (root: HTMLElement): string[] => [...root.querySelectorAll('td')].map((cell) => cell.dataset.name ?? '')

test('a cell carries the name of its column, the leading one and the nameless none', () => {
  const root = body(['', 'Order', 'State', 'Sum', ''], '<tr><td>x</td><td>7</td><td>paid</td><td>9</td><td>do</td></tr>')
  expect(names(root)).toEqual(['', '', 'State', 'Sum', ''])
  expect(root.querySelector('.lead')?.textContent).toBe('7')
})
test('a cell over several columns has no name, and those after it keep theirs', () => {
  expect(names(body(['A', 'B', 'C', 'D'], '<tr><td colspan="3">all</td><td>4</td></tr>'))).toEqual(['', 'D'])
})
test('what fits stays a table', () => {
  expect(body(['A', 'B', 'C'], '<tr><td>1</td></tr>').querySelector('.cards')).toBeNull()
})
