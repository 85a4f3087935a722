import { onHide, onShow, onUnload } from '@dcloudio/uni-app'
import { collect } from './collect'
import { nameTabs } from './i18n'
import { showPieces } from './state/cart'
import { pageInFront } from './state/gate'

/**
 * What happens whenever a page comes to the front: the tab bar is brought up to date, `view` is
 * reported, and on leaving `dwell` with the time it stayed. Call once in a page's setup.
 */
export function usePage(detail: () => { product_id?: string } = () => ({})): void {
  let since = 0
  let page = ''
  onShow(() => {
    since = Date.now()
    page = pageInFront()
    nameTabs()
    showPieces()
    collect('view', detail(), page)
  })
  const leave = (): void => {
    if (since) collect('dwell', { ...detail(), dwell_ms: Date.now() - since }, page)
    since = 0
  }
  onHide(leave)
  onUnload(leave)
}
