import { onHide, onShow, onUnload } from '@dcloudio/uni-app'
import { collect } from './collect'
import { pageInFront } from './state/gate'

/** Reports `view` when a page comes to the front and `dwell` with the time it stayed there. Call once in a page's setup. */
export function usePageEvents(detail: () => { product_id?: string } = () => ({})): void {
  let since = 0
  let page = ''
  onShow(() => {
    since = Date.now()
    page = pageInFront()
    collect('view', detail(), page)
  })
  const leave = (): void => {
    if (since) collect('dwell', { ...detail(), dwell_ms: Date.now() - since }, page)
    since = 0
  }
  onHide(leave)
  onUnload(leave)
}
