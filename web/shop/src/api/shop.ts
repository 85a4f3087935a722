import type { SubscribeAnswer } from '@/platform'
import { call } from './client'
import type * as T from './types'

const V1 = '/shop/v1'

/** Every request the shop makes, one line each, in the order of the API document. */
export const api = {
  /**
   * `visitor`: the key of the events collected before login; what that visitor did is then the
   * member's.
   */
  login: (code: string, platform: 'mp-weixin' | 'h5', visitor: string | null) =>
    call<T.LoginView>('POST', `${V1}/login`, { body: { code, platform, visitor } }),
  me: () => call<T.MemberView>('GET', `${V1}/me`),
  rename: (nickname: string) => call<T.MemberView>('PATCH', `${V1}/me`, { body: { nickname } }),
  known: () => call<T.KnownList>('GET', `${V1}/me/profile`),
  identities: () => call<T.MyIdentities>('GET', `${V1}/me/identities`),
  bindCard: (number: string) =>
    call<T.MyIdentities>('POST', `${V1}/me/cards`, { body: { number } }),
  bindPhone: (code: string) => call<T.MemberView>('POST', `${V1}/phone`, { body: { code } }),

  consents: () => call<T.ConsentList>('GET', `${V1}/consents`),
  decide: (purpose: T.Purpose, text_version: string, granted: boolean) =>
    call<T.ConsentList>('POST', `${V1}/consents`, { body: { purpose, text_version, granted } }),

  myData: () => call<T.MyData>('GET', `${V1}/my-data`),
  askArchive: () => call<T.MyData>('POST', `${V1}/my-data/archives`),
  askErasure: () => call<T.MyData>('POST', `${V1}/my-data/erasure`, { body: { reason: '' } }),
  cancelErasure: () => call<T.MyData>('DELETE', `${V1}/my-data/erasure`),

  addresses: () => call<T.AddressList>('GET', `${V1}/addresses`),
  addAddress: (body: T.AddressBody, key: string) =>
    call<T.AddressView>('POST', `${V1}/addresses`, { body, key }),
  setAddress: (id: string, body: T.AddressBody) =>
    call<T.AddressView>('PUT', `${V1}/addresses/${id}`, { body }),
  dropAddress: (id: string) => call<unknown>('DELETE', `${V1}/addresses/${id}`),

  /** `visitor` and `consent_version` only with consent: without them no test concerns anybody. */
  variants: (query: { visitor?: string; consent_version?: string }) =>
    call<T.Variants>('GET', `${V1}/experiments`, { query }),
  tellShown: (body: T.ShownBody) =>
    call<T.Variants>('POST', `${V1}/experiments/exposures`, { body }),

  home: () => call<T.HomeView>('GET', `${V1}/home`),
  categories: () => call<T.CategoryList>('GET', `${V1}/categories`),
  products: (query: {
    category_id?: string
    q?: string
    sort?: T.Sort
    cursor?: string | null
    limit?: number
  }) => call<T.Page<T.ProductCard>>('GET', `${V1}/products`, { query }),
  product: (id: string) => call<T.ProductView>('GET', `${V1}/products/${id}`),
  promotions: (product: string) =>
    call<T.Promotions>('GET', `${V1}/products/${product}/promotions`),
  promotionLabels: (products: string[]) =>
    call<T.PromotionLabels>(
      'GET',
      `${V1}/promotion-labels?product_ids=${products.join('&product_ids=')}`,
    ),

  coupons: (skus: string[] = []) =>
    call<T.CouponCentre>(
      'GET',
      `${V1}/coupons${skus.length ? `?${skus.map((id) => `sku_id=${id}`).join('&')}` : ''}`,
    ),
  claimCoupon: (batch: string, device: string, key: string) =>
    call<T.Coupon>('POST', `${V1}/coupons/${batch}/claim`, { body: { device }, key }),
  sayCouponCode: (code: string, device: string, key: string) =>
    call<T.Coupon>('POST', `${V1}/coupons/code`, { body: { code, device }, key }),
  ownCoupons: (tab: T.CouponTab, cursor: string | null) =>
    call<T.Page<T.Coupon>>('GET', `${V1}/coupons/own`, { query: { tab, cursor } }),
  birthday: () => call<T.BirthdayView>('GET', `${V1}/birthday`),
  setBirthday: (month: number, day: number) =>
    call<T.BirthdayView>('PUT', `${V1}/birthday`, { body: { month, day } }),
  clearBirthday: () => call<unknown>('DELETE', `${V1}/birthday`),

  cart: () => call<T.CartView>('GET', `${V1}/cart`),
  addToCart: (body: T.LineBody) => call<T.CartView>('POST', `${V1}/cart/lines`, { body }),
  setCartLine: (sku: string, body: { quantity?: number; selected?: boolean }) =>
    call<T.CartView>('PATCH', `${V1}/cart/lines/${sku}`, { body }),
  dropCartLine: (sku: string) => call<T.CartView>('DELETE', `${V1}/cart/lines/${sku}`),
  selectCart: (selected: boolean) =>
    call<T.CartView>('POST', `${V1}/cart/select`, { body: { selected } }),

  deliveries: (order: string) => call<T.DeliveryList>('GET', `${V1}/orders/${order}/deliveries`),
  stores: () => call<T.StoreList>('GET', `${V1}/stores`),
  quote: (body: T.QuoteBody) => call<T.Quote>('POST', `${V1}/checkout/quote`, { body }),
  placeOrder: (body: T.PlaceOrderBody, key: string) =>
    call<T.Order>('POST', `${V1}/orders`, { body, key }),
  orderCounts: () => call<T.OrderCounts>('GET', `${V1}/orders/counts`),
  orders: (query: { status?: T.OrderStatus; q?: string; cursor?: string | null; limit?: number }) =>
    call<T.Page<T.OrderSummary>>('GET', `${V1}/orders`, { query }),
  buyAgain: (id: string) => call<T.BoughtAgain>('POST', `${V1}/orders/${id}/again`),
  order: (id: string) => call<T.Order>('GET', `${V1}/orders/${id}`),
  cancelOrder: (id: string, reason: string) =>
    call<T.Order>('POST', `${V1}/orders/${id}/cancel`, { body: { reason } }),
  pay: (id: string, key: string) =>
    call<T.PaymentStart>('POST', `${V1}/orders/${id}/pay`, { body: { channel: 'jsapi' }, key }),
  syncPayment: (id: string) => call<T.PaymentSync>('POST', `${V1}/orders/${id}/pay/sync`),
  confirmReceipt: (id: string) => call<T.Order>('POST', `${V1}/orders/${id}/confirm-receipt`),

  caseOffer: (order: string) => call<T.CaseOffer>('GET', `${V1}/orders/${order}/after-sale`),
  openCase: (order: string, body: T.CaseBody, key: string) =>
    call<T.Case>('POST', `${V1}/orders/${order}/after-sale`, { body, key }),
  cases: (query: { order_id?: string; cursor?: string | null; limit?: number }) =>
    call<T.Page<T.CaseSummary>>('GET', `${V1}/after-sale`, { query }),
  case: (id: string) => call<T.Case>('GET', `${V1}/after-sale/${id}`),
  /** `act` is one of the case's `actions` that needs no words. */
  moveCase: (id: string, act: 'withdraw' | 'confirm') =>
    call<T.Case>('POST', `${V1}/after-sale/${id}/${act}`),
  shipBack: (id: string, body: T.Parcel) =>
    call<T.Case>('POST', `${V1}/after-sale/${id}/ship-back`, { body }),
  sayInCase: (id: string, text: string, picture_ids: string[]) =>
    call<T.Case>('POST', `${V1}/after-sale/${id}/messages`, { body: { text, picture_ids } }),

  giftHall: () => call<T.GiftHall>('GET', `${V1}/gifts/hall`),
  giftGoods: (query: { kit?: string; from_fen?: number | null; to_fen?: number | null }) =>
    call<T.GiftGoods>('GET', `${V1}/gifts/goods`, { query }),
  giveable: (product: string) => call<T.Giveable>('GET', `${V1}/gifts/goods/${product}`),
  quoteGift: (body: T.GiftQuoteBody) => call<T.GiftQuote>('POST', `${V1}/gifts/quote`, { body }),
  giveGift: (body: T.GiveBody, key: string) =>
    call<T.GiftGiven>('POST', `${V1}/gifts`, { body, key }),
  givenGifts: (cursor: string | null) =>
    call<T.Page<T.GiftGivenSummary>>('GET', `${V1}/gifts/given`, { query: { cursor } }),
  given: (id: string) => call<T.GiftGiven>('GET', `${V1}/gifts/given/${id}`),
  cancelGift: (id: string, key: string) =>
    call<T.GiftGiven>('POST', `${V1}/gifts/given/${id}/cancel`, { key }),
  openGift: (link: string, scene: string | null) =>
    call<T.GiftOpened>('POST', `${V1}/gifts/links/${link}/open`, { body: { scene } }),
  acceptGift: (link: string, address_id: string, key: string) =>
    call<T.GiftReceived>('POST', `${V1}/gifts/links/${link}/accept`, { body: { address_id }, key }),
  receivedGifts: (cursor: string | null) =>
    call<T.Page<T.GiftReceivedSummary>>('GET', `${V1}/gifts/received`, { query: { cursor } }),
  received: (share: string) => call<T.GiftReceived>('GET', `${V1}/gifts/received/${share}`),
  swapGift: (share: string, sku_id: string, key: string) =>
    call<T.GiftReceived>('POST', `${V1}/gifts/received/${share}/swap`, { body: { sku_id }, key }),
  confirmGift: (share: string, key: string) =>
    call<T.GiftReceived>('POST', `${V1}/gifts/received/${share}/confirm`, { key }),
  askAboutGift: (share: string, text: string, key: string) =>
    call<T.GiftReceived>('POST', `${V1}/gifts/received/${share}/messages`, { body: { text }, key }),
  giftNotices: () => call<T.GiftNotices>('GET', `${V1}/gifts/notices`),

  reviews: (
    product: string,
    query: {
      show?: T.ReviewFilter
      sort?: 'new' | 'helpful'
      cursor?: string | null
      limit?: number
    },
  ) => call<T.ProductReviews>('GET', `${V1}/products/${product}/reviews`, { query }),
  waitingReviews: () => call<{ items: T.WaitingLine[] }>('GET', `${V1}/reviews/waiting`),
  ownReviews: (cursor: string | null) =>
    call<T.Page<T.OwnReview>>('GET', `${V1}/reviews`, { query: { cursor, limit: 10 } }),
  ownReview: (id: string) => call<T.OwnReview>('GET', `${V1}/reviews/${id}`),
  submitReview: (body: T.ReviewBody, key: string) =>
    call<T.OwnReview>('POST', `${V1}/reviews`, { body, key }),
  editReview: (id: string, body: T.ReviewEdit, key: string) =>
    call<T.OwnReview>('PUT', `${V1}/reviews/${id}`, { body, key }),
  addToReview: (id: string, body: { text: string; picture_ids: string[] }, key: string) =>
    call<T.OwnReview>('POST', `${V1}/reviews/${id}/addition`, { body, key }),
  allowReuse: (id: string, allowed: boolean) =>
    call<T.OwnReview>('PUT', `${V1}/reviews/${id}/reuse`, { body: { allowed } }),
  voteReview: (id: string, helpful: boolean) =>
    call<T.ShownReview>('PUT', `${V1}/reviews/${id}/helpful`, { body: { helpful } }),

  messages: (cursor: string | null) =>
    call<T.Page<T.InboxItem>>('GET', `${V1}/messages`, { query: { cursor, limit: 20 } }),
  unreadMessages: () => call<{ unread: number }>('GET', `${V1}/messages/unread`),
  readMessages: (message_ids: string[] | null) =>
    call<{ unread: number }>('POST', `${V1}/messages/read`, { body: { message_ids } }),
  messageChoices: () => call<{ items: T.MessageChoice[] }>('GET', `${V1}/messages/choices`),
  chooseMessages: (body: { topic: string | null; channel: string | null; is_allowed: boolean }) =>
    call<{ items: T.MessageChoice[] }>('POST', `${V1}/messages/choices`, { body }),
  unsubscribe: () => call<{ items: T.MessageChoice[] }>('POST', `${V1}/messages/unsubscribe`),
  messageTemplates: (moment: T.MessageMoment) =>
    call<{ items: { template_id: string; title: string }[] }>('GET', `${V1}/messages/templates`, {
      query: { moment },
    }),
  answerTemplates: (answers: SubscribeAnswer[]) =>
    call<unknown>('POST', `${V1}/messages/subscriptions`, { body: { answers } }),

  wallet: () => call<T.Wallet>('GET', `${V1}/wallet`),
  topUpOffers: () => call<{ items: T.TopUpOffer[] }>('GET', `${V1}/wallet/offers`),
  walletMoves: (cursor: string | null) =>
    call<T.Page<T.WalletMovement>>('GET', `${V1}/wallet/statement`, { query: { cursor } }),
  topUp: (offer_id: string, platform: 'mp-weixin' | 'h5' | 'ios') =>
    call<T.TopUp>('POST', `${V1}/wallet/top-ups`, { body: { offer_id, platform } }),
  payTopUp: (id: string, key: string) =>
    call<T.PaymentStart>('POST', `${V1}/wallet/top-ups/${id}/pay`, {
      body: { channel: 'jsapi' },
      key,
    }),
  syncTopUp: (id: string) => call<{ state: string }>('POST', `${V1}/wallet/top-ups/${id}/pay/sync`),
  points: () => call<T.Points>('GET', `${V1}/points`),
  pointsMoves: (cursor: string | null) =>
    call<T.Page<T.PointsMovement>>('GET', `${V1}/points/statement`, { query: { cursor } }),
  commission: () => call<T.Commission>('GET', `${V1}/commission`),
  commissionEntries: (cursor: string | null) =>
    call<T.Page<T.CommissionEntry>>('GET', `${V1}/commission/entries`, { query: { cursor } }),
  /** Told by promoters, and by who buys through a promoter's link. */
  useDevice: (device: string) => call<void>('PUT', `${V1}/commission/device`, { body: { device } }),
  payoutOffer: () => call<T.PayoutOffer>('GET', `${V1}/payouts/offer`),
  payouts: (cursor: string | null) =>
    call<T.Page<T.Payout>>('GET', `${V1}/payouts`, { query: { cursor, limit: 5 } }),
  askPayout: (amount_fen: number, name: string | null, key: string) =>
    call<T.Payout>('POST', `${V1}/payouts`, { body: { amount_fen, name }, key }),
  payoutSheet: (id: string) => call<T.TransferParams>('GET', `${V1}/payouts/${id}/confirmation`),
  agreement: () => call<T.PayoutAgreement>('GET', `${V1}/payouts/agreement`),
  askAgreement: (key: string) =>
    call<T.PayoutAgreement>('POST', `${V1}/payouts/agreement`, { key }),
  syncAgreement: () => call<T.PayoutAgreement>('POST', `${V1}/payouts/agreement/sync`),
  movePayout: (id: string, act: 'sync' | 'cancel') =>
    call<T.Payout>('POST', `${V1}/payouts/${id}/${act}`),
}
