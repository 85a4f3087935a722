// On a phone a row of a table is a card: the name of its column stands above each value (theme.css).
const NARROW = '(max-width: 700px)'
/** Tables of fewer columns fit; `matrix` tables say something by where a cell stands. */
const LEAST = 4

/** Writes above the cells of each table what their columns are called; `cards` marks the table. */
export function nameCells(root: ParentNode): void {
  for (const table of root.querySelectorAll<HTMLTableElement>('table.list:not(.matrix)')) {
    const names = [...table.querySelectorAll('thead > tr:first-child > *')].map((cell) => cell.textContent?.trim() ?? '')
    table.classList.toggle('cards', names.length >= LEAST)
    if (names.length < LEAST) continue
    const lead = names.findIndex(Boolean)
    for (const row of table.querySelectorAll('tbody > tr, tfoot > tr')) {
      let column = 0
      for (const cell of row.querySelectorAll<HTMLTableCellElement>(':scope > td')) {
        const span = Number(cell.getAttribute('colspan') ?? 1)
        const name = span > 1 || column === lead ? '' : (names[column] ?? '')
        if (cell.dataset.name !== name) cell.dataset.name = name
        cell.classList.toggle('lead', column === lead)
        column += span
      }
    }
  }
}

/** Keeps the names right while the page changes; only where the screen is narrow. */
export function watchTables(root: HTMLElement): void {
  const narrow = window.matchMedia(NARROW)
  let asked = 0
  const soon = (): void => {
    if (!narrow.matches) return
    cancelAnimationFrame(asked)
    asked = requestAnimationFrame(() => nameCells(root))
  }
  new MutationObserver(soon).observe(root, { childList: true, subtree: true, characterData: true })
  narrow.addEventListener('change', soon)
}
