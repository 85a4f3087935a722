/**
 * What a keyboard and a screen reader expect of a page, and uni-app's elements do not do on their
 * own: Enter and Space press what carries a role; the tab bar can be reached; an open sheet takes
 * the focus, keeps Tab inside, closes by Escape and gives the focus back.
 */
const FOCUSABLE = '[tabindex="0"], input, textarea'
let sheet: HTMLElement | null = null
let before: Element | null = null

function press(event: KeyboardEvent): void {
  const target = event.target as HTMLElement
  if (event.key === 'Escape') {
    sheet?.parentElement?.querySelector<HTMLElement>('.s-sheet__veil')?.click()
  } else if (event.key === 'Tab' && sheet) {
    const stops = Array.from(sheet.querySelectorAll<HTMLElement>(FOCUSABLE))
    const edge = event.shiftKey ? stops[0] : stops[stops.length - 1]
    if (sheet.contains(target) && target !== edge && target !== sheet) return
    event.preventDefault()
    stops[event.shiftKey ? stops.length - 1 : 0]?.focus()
  } else if (
    (event.key === 'Enter' || event.key === ' ') &&
    target.hasAttribute('role') &&
    !/^(INPUT|TEXTAREA)$/.test(target.tagName)
  ) {
    event.preventDefault()
    target.click()
  }
}

function look(): void {
  document.querySelectorAll('.uni-tabbar__item:not([tabindex])').forEach((tab) => {
    tab.setAttribute('role', 'link')
    tab.setAttribute('tabindex', '0')
    tab.querySelectorAll('img').forEach((icon) => (icon.alt = '')) // the label says it
  })
  const sheets = document.querySelectorAll<HTMLElement>('.s-sheet__body')
  const open = sheets[sheets.length - 1] ?? null
  if (open === sheet) return
  if (!sheet) before = document.activeElement
  sheet = open
  if (open) open.focus({ preventScroll: true })
  else (before as HTMLElement | null)?.focus({ preventScroll: true })
}

export function startKeyboard(): void {
  document.addEventListener('keydown', press)
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true })
}
