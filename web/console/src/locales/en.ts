export default {
  nav: {
    menu: 'Menu', shop: 'Shop', account: 'My account', logout: 'Log out',
    insight: 'Insight', dashboard: 'Dashboard',
    commerce: 'Commerce', orders: 'Orders', products: 'Products', categories: 'Categories', decoration: 'Home page', stock: 'Stock',
    people: 'People', members: 'Members',
    money: 'Money', payments: 'Payments', suspense: 'Suspense',
    settings: 'Settings', shopProfile: 'Shop profile', wechat: 'WeChat', staff: 'Staff and roles', audit: 'Audit trail', work: 'Background work', imports: 'Imports', doctor: 'Doctor',
  },
  common: {
    denied: 'Your role may not see this page. Ask the owner.', loading: 'Loading', retry: 'Try again', empty: 'Nothing here yet', confirm: 'Confirm', cancel: 'Cancel', save: 'Save', saved: 'Saved',
    search: 'Search', previous: 'Previous', next: 'Next', pageNumber: 'Page {n}', reason: 'Reason', reveal: 'Reveal',
    revealHint: 'Revealing personal data is noted in the audit trail. Say why.', edit: 'Edit', remove: 'Remove', add: 'Add', back: 'Back', on: 'On', off: 'Off', copy: 'Copy', copied: 'Copied',
  },
  login: {
    title: 'Log in to the console', name: 'Login name', password: 'Password', totp: 'One-time code', submit: 'Log in',
    promise: 'Turn every guest into an old friend',
    explain: 'Shop, payments, people, content and data: the private-domain operating system that runs on one small server.',
  },
  dashboard: {
    asOf: 'As of {at}', period: 'Period', days: '{n} days', figures: 'Key figures', funnel: 'Four-level funnel', threshold: 'healthy', previous: 'against the period before',
    realtime: 'Last {n} minutes', visitors: 'visitors', orders: 'orders',
  },
  orders: {
    one: 'Order', no: 'Order number', goods: 'Goods', member: 'Member', total: 'Amount', state: 'State', placed: 'Placed', export: 'Export', search: 'Order number, phone, or start of a title', from: 'From', to: 'To', kind: 'Kind',
    kinds: { sale: 'Sale', return: 'Return' }, return: 'Return', more: 'and more ({n})', none: 'No orders match', open: 'Open order',
    status: { all: 'All', pending_payment: 'To pay', paid: 'To ship', shipped: 'Shipped', completed: 'Completed', cancelled: 'Cancelled' },
    items: 'Goods', shipping: 'Shipping', paid: 'Paid', address: 'Delivery', remark: 'Remark', timeline: 'Timeline', cancel: 'Cancel order', cancelHint: 'The payment is closed at WeChat first; then the stock is freed. This cannot be undone.',
  },
  payments: {
    channel: { jsapi: 'WeChat Pay', native: 'QR code', internal: 'Nothing to pay' },
    state: { created: 'Created', paying: 'Paying', paid: 'Paid', closed: 'Closed', parked: 'Parked' },
  },
  suspense: {
    explain: 'This money arrived and belongs to no order by itself. Look at each item and decide.', none: 'Nothing in suspense: the books are clear', parked: 'Parked', reason: 'Reason', number: 'WeChat Pay number',
    reasons: { wrong_amount: 'Wrong amount', coupon_used: 'Platform coupon used', wrong_currency: 'Wrong currency', wrong_account: 'Wrong merchant or app', unknown_number: 'Unknown number', paid_twice: 'Paid twice', order_closed: 'Order was closed' },
  },
  members: {
    one: 'Member', phone: 'Phone', level: 'Level', joined: 'Joined', seen: 'Last seen', search: 'Phone, or start of a nickname', none: 'No members match', unnamed: 'WeChat user', number: 'Number', source: 'Source', devices: 'Devices',
    merged: '{n} merged visitors', addresses: '{n} addresses', consents: 'Consents', granted: 'Granted', refused: 'Refused', levels: { normal: 'Member', vip: 'VIP' },
    purpose: { privacy: 'Privacy', analytics: 'Analytics', marketing: 'Marketing' },
  },
  stock: {
    search: 'Title or SKU code', low: 'Low stock only', goods: 'Goods', onHand: 'On hand', reserved: 'Reserved', available: 'Available', adjust: 'Adjust', movements: 'Movements', delta: 'Change', after: '{before} → {after} afterwards',
    at: 'Time', kind: 'Kind', kinds: { opened: 'Opened', adjusted: 'Adjusted', adjust: 'Adjusted', sold: 'Sold', consumed: 'Sold', returned: 'Returned', setup: 'Opened' },
  },
  audit: { at: 'Time', actor: 'Who', action: 'Action', subject: 'Subject', change: 'Change' },
}
