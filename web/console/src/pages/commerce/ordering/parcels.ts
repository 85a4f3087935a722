/** The carriers most shops use; any other may be typed. */
export const CARRIERS = ['顺丰速运', '中通快递', '圆通速递', '申通快递', '韵达快递', '极兔速递', '京东物流', '邮政 EMS']

/** Letters, digits and hyphens, as the server takes them. */
export const isTrackingNo = (text: string): boolean => /^[0-9A-Za-z-]{4,40}$/.test(text.trim())
