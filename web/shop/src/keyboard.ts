/** Enter and Space press whatever carries a role and can take focus; uni-app's elements do not do that on their own. */
export function startKeyboard(): void {
  document.addEventListener('keydown', (event) => {
    const target = event.target as HTMLElement
    if ((event.key !== 'Enter' && event.key !== ' ') || !target.hasAttribute('role') || /^(INPUT|TEXTAREA)$/.test(target.tagName)) return
    event.preventDefault()
    target.click()
  })
  new MutationObserver(() => {
    document.querySelectorAll('.uni-tabbar__item:not([tabindex])').forEach((tab) => {
      tab.setAttribute('role', 'link')
      tab.setAttribute('tabindex', '0')
    })
  }).observe(document.body, { childList: true, subtree: true })
}
