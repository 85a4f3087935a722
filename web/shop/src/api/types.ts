/**
 * Short names for what the shop API answers and takes, read off the generated `schema.d.ts` by
 * path, so that they follow the back end (`npm run types`). Money in fen, times RFC 3339 UTC, ids
 * strings.
 */
import type { paths } from './schema'

type Json<Body> = Body extends { content: { 'application/json': infer T } } ? T : never
type Answer<Route> = Route extends { responses: infer R } ? Json<R[keyof R & (200 | 201)]> : never
type Sent<Route> = Route extends { requestBody: infer B } ? Json<B> : never
type Get<P extends keyof paths> = Answer<paths[P]['get']>
type Post<P extends keyof paths> = Answer<paths[P]['post']>

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

export type LoginView = Post<'/shop/v1/login'>
export type MemberView = LoginView['member']
export type KnownList = Get<'/shop/v1/me/profile'>
export type MyIdentities = Get<'/shop/v1/me/identities'>
export type ConsentList = Get<'/shop/v1/consents'>
export type ConsentItem = ConsentList['items'][number]
export type Purpose = ConsentItem['purpose']

export type MyData = Get<'/shop/v1/my-data'>

export type AddressList = Get<'/shop/v1/addresses'>
export type AddressView = AddressList['items'][number]
export type AddressBody = Omit<AddressView, 'address_id'>

export type Variants = Get<'/shop/v1/experiments'>
export type Variant = Variants['items'][number]
export type ShownBody = Sent<paths['/shop/v1/experiments/exposures']['post']>

export type HomeView = Get<'/shop/v1/home'>
export type Banner = HomeView['banners'][number]
export type ProductCard = HomeView['hot'][number]
export type CategoryList = Get<'/shop/v1/categories'>
export type Category = CategoryList['items'][number]
export type Sort = NonNullable<
  NonNullable<paths['/shop/v1/products']['get']['parameters']['query']>['sort']
>
export type ProductView = Get<'/shop/v1/products/{product_id}'>
export type Sku = ProductView['skus'][number]

export type Promotions = Get<'/shop/v1/products/{product_id}/promotions'>
export type PromotionLabels = Get<'/shop/v1/promotion-labels'>
export type ProductLabel = PromotionLabels['items'][number]['labels'][number]

export type CouponCentre = Get<'/shop/v1/coupons'>
export type CentreCoupon = CouponCentre['items'][number]
export type Coupon = Get<'/shop/v1/coupons/own'>['items'][number]
export type CouponTab = 'usable' | 'used' | 'expired'
/** What stands on any coupon, claimed or not. */
export type CouponFace = Omit<Pick<Coupon, Extract<keyof Coupon, keyof CentreCoupon>>, 'state'>
export type CouponOffer = Quote['coupons']['offers'][number]
export type BirthdayView = Get<'/shop/v1/birthday'>
export type Birthday = NonNullable<BirthdayView['birthday']>

export type CartView = Get<'/shop/v1/cart'>
export type LineBody = Sent<paths['/shop/v1/cart/lines']['post']>
export type QuoteBody = Sent<paths['/shop/v1/checkout/quote']['post']>
export type Quote = Post<'/shop/v1/checkout/quote'>
export type PlaceOrderBody = Sent<paths['/shop/v1/orders']['post']>
export type BoughtAgain = Post<'/shop/v1/orders/{order_id}/again'>
export type DeliveryList = Get<'/shop/v1/orders/{order_id}/deliveries'>
export type StoreList = Get<'/shop/v1/stores'>
export type StoreView = StoreList['items'][number]
export type Order = Get<'/shop/v1/orders/{order_id}'>
export type OrderLine = Order['lines'][number]
export type OrderStatus = Order['status']
export type OrderSummary = Get<'/shop/v1/orders'>['items'][number]

/**
 * What WeChat's pay sheet takes (pay.weixin.qq.com, JSAPI调起支付): signed by the server, passed on as
 * it is.
 */
export interface JsapiParams {
  appId: string
  timeStamp: string
  nonceStr: string
  package: string
  signType: string
  paySign: string
}
export type PaymentStart = Omit<Post<'/shop/v1/orders/{order_id}/pay'>, 'jsapi'> & {
  jsapi: JsapiParams | null
}
export type PaymentSync = Post<'/shop/v1/orders/{order_id}/pay/sync'>

export type CaseOffer = Get<'/shop/v1/orders/{order_id}/after-sale'>
export type CaseBody = Sent<paths['/shop/v1/orders/{order_id}/after-sale']['post']>
export type CaseKind = CaseBody['kind']
export type CaseSummary = Get<'/shop/v1/after-sale'>['items'][number]
export type Case = Get<'/shop/v1/after-sale/{case_id}'>
export type Parcel = Sent<paths['/shop/v1/after-sale/{case_id}/ship-back']['post']>
export type Picture = Post<'/shop/v1/after-sale/pictures'>

export type ProductReviews = Get<'/shop/v1/products/{product_id}/reviews'>
export type ShownReview = ProductReviews['items'][number]
export type ReviewFigures = ProductReviews['figures']
export type ReviewFilter = 'all' | 'good' | 'middle' | 'bad' | 'pictures' | 'added'
export type WaitingLine = Get<'/shop/v1/reviews/waiting'>['items'][number]
export type OwnReview = Get<'/shop/v1/reviews/{review_id}'>
export type ReviewBody = Sent<paths['/shop/v1/reviews']['post']>
export type ReviewEdit = Sent<paths['/shop/v1/reviews/{review_id}']['put']>

export type GiftHall = Get<'/shop/v1/gifts/hall'>
export type GiftGoods = Get<'/shop/v1/gifts/goods'>
export type Giveable = Get<'/shop/v1/gifts/goods/{product_id}'>
export type GiftVoice = Post<'/shop/v1/gifts/voices'>
export type GiftQuoteBody = Sent<paths['/shop/v1/gifts/quote']['post']>
export type GiftQuote = Post<'/shop/v1/gifts/quote'>
export type GiveBody = Sent<paths['/shop/v1/gifts']['post']>
export type GiftKind = GiveBody['kind']
export type GiftGiven = Get<'/shop/v1/gifts/given/{gift_id}'>
export type GiftGivenSummary = Get<'/shop/v1/gifts/given'>['items'][number]
export type GiftOpened = Post<'/shop/v1/gifts/links/{link_key}/open'>
export type GiftReceived = Get<'/shop/v1/gifts/received/{share_id}'>
export type GiftNotices = Get<'/shop/v1/gifts/notices'>
export type OrderCounts = Get<'/shop/v1/orders/counts'>
export type GiftReceivedSummary = Get<'/shop/v1/gifts/received'>['items'][number]

export type Wallet = Get<'/shop/v1/wallet'>
export type TopUpOffer = Get<'/shop/v1/wallet/offers'>['items'][number]
export type TopUp = Post<'/shop/v1/wallet/top-ups'>
export type WalletMovement = Get<'/shop/v1/wallet/statement'>['items'][number]
export type Points = Get<'/shop/v1/points'>
export type PointsMovement = Get<'/shop/v1/points/statement'>['items'][number]
export type Commission = Get<'/shop/v1/commission'>
export type CommissionEntry = Get<'/shop/v1/commission/entries'>['items'][number]
export type PayoutOffer = Get<'/shop/v1/payouts/offer'>
export type Payout = Get<'/shop/v1/payouts'>['items'][number]
/** What WeChat's page for money from a merchant takes (wx.requestMerchantTransfer). */
export type PayoutAgreement = Get<'/shop/v1/payouts/agreement'>
export type TransferParams = Get<'/shop/v1/payouts/{payout_id}/confirmation'>

/** What just happened, of which the person may want to hear more. */
export type MessageMoment = 'order_placed' | 'gift_sent' | 'after_sale_opened'
export type InboxItem = Get<'/shop/v1/messages'>['items'][number]
export type MessageChoice = Get<'/shop/v1/messages/choices'>['items'][number]
