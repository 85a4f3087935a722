export default {
  nav: {
    menu: 'Menu', skip: 'Skip to content', shop: 'Shop', account: 'My account', logout: 'Log out',
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
    title: 'Log in to the console', name: 'Login name', password: 'Password', totp: 'One-time code', submit: 'Log in', again: 'Log in again',
    promise: 'Turn every guest into an old friend',
    explain: 'Shop, payments, people, content and data: the private-domain operating system that runs on one small server.',
  },
  dashboard: {
    asOf: 'As of {at}', period: 'Period', days: '{n} days', figures: 'Key figures', funnel: 'Four-level funnel', threshold: 'healthy', previous: 'vs. period before',
    realtime: 'Last {n} minutes', visitors: 'visitors', orders: 'orders',
    business: 'Business', behaviour: 'Conversion and retention', advice: 'Suggested actions', definition: 'Definition of {label}', nothing: 'No data in this period', states: { good: 'healthy', bad: 'below the line', unknown: 'too few cases' },
    past: 'Nothing happened after {on}; these are the {n} days up to then.', stale: 'Cannot refresh right now: {error}',
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
    sources: { login: 'Log-in', import: 'Import' }, merged: '{n} merged visitors', addresses: '{n} addresses', consents: 'Consents', granted: 'Granted', refused: 'Refused', levels: { normal: 'Member', vip: 'VIP' },
    purpose: { privacy: 'Privacy', analytics: 'Analytics', marketing: 'Marketing' },
  },
  stock: {
    search: 'Title or SKU code', low: 'Low stock only', goods: 'Goods', onHand: 'On hand', reserved: 'Reserved', available: 'Available', adjust: 'Adjust', movements: 'Movements', delta: 'Change', after: '{before} → {after} afterwards',
    at: 'Time', kind: 'Kind', kinds: { received: 'Received', adjusted: 'Adjusted', sold: 'Sold' },
  },
  audit: {
    at: 'Time', actor: 'Who', action: 'Action', subject: 'Subject', change: 'Change',
    actions: {
      catalog: { banners_changed: 'Banners changed', category_removed: 'Category removed', category_saved: 'Category saved', price_changed: 'Price changed', product_created: 'Product created', shelf_changed: 'Put on or off shelf', showcase_changed: 'Home page changed' },
      inventory: { adjusted: 'Stock adjusted' }, kernel: { replayed: 'Notification replayed', retried: 'Work retried' }, ordering: { address_revealed: 'Delivery address seen', orders_exported: 'Orders exported' },
      members: { addresses_revealed: 'Member addresses seen', phone_revealed: 'Member phone seen', level_changed: 'Member level changed' },
      shops: { opened: 'Shop opened', profile_changed: 'Shop profile changed', wechat_changed: 'WeChat settings changed' },
      staff: { added: 'Staff added', changed: 'Staff changed', removed: 'Staff removed', password_changed: 'Password changed', totp_enabled: 'One-time code switched on', totp_removed: 'One-time code switched off' },
    },
    subjects: { product: 'Product', category: 'Category', sku: 'SKU', shop: 'Shop', staff: 'Staff', order: 'Order', member: 'Member', delivery: 'Work', message: 'Notification', orders: 'Orders' },
    fields: { title: 'Title', prices_fen: 'Prices', status: 'State', name: 'Name', on_hand: 'On hand', reason: 'Reason', role: 'Role', login_name: 'Login name', level: 'Level', notice: 'Notice', time_zone: 'Time zone', currency: 'Currency', secrets_replaced: 'Secrets replaced', environment: 'Environment' },
  },
  shop: { code: 'Shop code', name: 'Name', notice: 'Notice', noticeHint: 'Shown on top of the home page', timeZone: 'Time zone', currency: 'Currency', open: 'Open another shop' },
  wechat: {
    test: 'Test it', environment: 'Environment', real: 'WeChat', sandbox: 'Local sandbox', miniProgram: 'Mini-program', pay: 'WeChat Pay', mchid: 'Merchant id', serial: 'API certificate serial', privateKey: 'API private key', apiKey: 'APIv3 key (32 characters)',
    publicKeyId: 'WeChat Pay public key id', publicKey: 'WeChat Pay public key', kept: 'Set; leave empty to keep', missing: 'Not set', explain: 'Secrets are sealed, go in and never come out. Run the doctor after saving.',
  },
  doctor: { again: 'Run again', next: 'Next: ', ok: 'Everything is fine', warn: 'Works, with some advice', fail: 'Something needs your attention', states: { ok: 'fine', warn: 'advice', fail: 'broken', skip: 'not checked' } },
  staff: {
    add: 'Add staff', name: 'Name', login: 'Login name', role: 'Role', totp: 'One-time code', removeHint: 'They can no longer log in at once. Remove?', what: 'What each role may do', keepPassword: 'Leave empty to keep', passwordHint: 'At least 10 characters', removeTotp: 'Reset the one-time code (lost phone)',
    roles: { owner: 'Owner', manager: 'Manager', clerk: 'Clerk', finance: 'Finance', analyst: 'Analyst' },
    may: { owner: 'Everything, staff and WeChat secrets included', manager: 'Products, stock, orders, members, figures', clerk: 'Orders and stock', finance: 'Refunds, payouts, reconciliation and the ledger', analyst: 'The dashboard' },
  },
  account: {
    advised: 'Your role touches money: a one-time code is advised.', totp: 'One-time code', totpHint: 'Scan with any authenticator app. A must for roles that touch money.', totpStart: 'Switch on', totpOff: 'Switch off', totpRemove: 'Log in with the password alone from now on?', qr: 'QR code for the authenticator', scan: 'Scan, or type the key:',
    password: 'Change password', current: 'Current password', new: 'New password', sessions: 'Where you are logged in', this: 'this one', revoke: 'Log out',
  },
  products: {
    one: 'Product', add: 'New product', search: 'Search products', category: 'Category', price: 'Price', sold: 'Sold', state: 'State', status: { all: 'All', on_shelf: 'On sale', off_shelf: 'Off shelf', draft: 'Draft' }, kinds: { physical: 'Physical', virtual: 'Virtual', service: 'Service' },
    takeOff: 'Take off', putOn: 'Put on', title: 'Title', subtitle: 'Subtitle', kind: 'Kind', tags: 'Tags', pictures: 'Pictures (the first is the cover)', description: 'Description', options: 'Options and prices', optionName: 'Option', optionValues: 'Values, Enter adds',
    addOption: 'Add option', marketPrice: 'Was', memberPrice: 'Member price', code: 'Code', single: 'Default', stockHint: 'Stock of known SKUs is changed under Stock, where every move is kept.', priceMissing: 'Every SKU needs a price',
  },
  categories: { name: 'Name', parent: 'Below', position: 'Order', count: 'Products', removeHint: 'Remove this category?' },
  pictures: { one: 'Picture {n}', busy: 'Uploading' },
  rich: { tools: 'Tools', bold: 'Bold', heading: 'Heading', paragraph: 'Paragraph', list: 'List', plain: 'Clear format', image: 'Insert picture' },
  decoration: { explain: 'The golden triangle: hits + bundles + activities', preview: 'Preview', banners: 'Banners', hot: 'Hits', bundles: 'Bundles', activities: 'Activities', title: 'Title', subtitle: 'Subtitle', addProduct: 'Add product' },
  work: {
    dead: 'Failed work', deadHint: 'Work that failed after many tries. Find the reason, then try again.', noneDead: 'Nothing has failed', failed: 'Failed', name: 'Work', event: 'Event', tries: 'Tries', reason: 'Reason', retry: 'Try again', started: 'Started',
    inbox: 'Notifications received', inboxHint: 'What WeChat sent is stored first and worked on after. It can be replayed after a repair.', received: 'Received', source: 'From', number: 'Number', state: 'State', states: { new: 'waiting', done: 'done', dead: 'failed' }, replay: 'Replay',
  },
  imports: {
    how: 'Import the order history of another system:', none: 'Nothing imported yet', at: 'Time', files: 'Files', report: 'Result', refusals: 'Rows left out', noRefusals: 'Every row came in', file: 'File', line: 'Line', content: 'Content', took: 'took {s} s', dry: 'dry run',
    figures: { lines: 'Lines read', imported: 'Imported', known: 'Known', refused: 'Left out', orders: 'Orders', returns: 'Returns', known_orders: 'Known orders', customers: 'Customers', products: 'Products', sold_fen: 'Sold', returned_fen: 'Returned', lines_per_second: 'Lines per second' },
    reasons: {
      amount_too_large: 'Amount too large', columns_missing: 'Columns missing', customer_missing: 'Unknown customer', item_missing: 'Unknown item', order_differs: 'Differs from the order imported before', order_too_long: 'Too many lines in the order', price_malformed: 'Price malformed', price_negative: 'Negative price',
      price_too_precise: 'Price has too many decimals', price_zero: 'Price is zero', quantity_malformed: 'Quantity malformed', quantity_too_large: 'Quantity too large', quantity_zero: 'Quantity is zero', time_in_future: 'Time in the future', time_malformed: 'Time malformed',
    },
  },
}
