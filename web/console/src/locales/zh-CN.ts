export default {
  nav: {
    menu: '菜单', skip: '跳到正文', shop: '当前店铺', account: '我的账号', logout: '退出登录',
    insight: '数据决策', dashboard: '经营看板',
    commerce: '交易', orders: '订单', products: '商品', categories: '分类', decoration: '首页装修', stock: '库存',
    people: '用户', members: '会员',
    money: '资金', payments: '支付', suspense: '挂账款项',
    settings: '设置', shopProfile: '店铺资料', wechat: '微信配置', staff: '员工与角色', audit: '操作日志', work: '后台任务', imports: '历史导入', doctor: '配置体检',
  },
  common: {
    denied: '你的角色没有查看此页面的权限，请联系店主。', loading: '加载中', retry: '重试', empty: '这里还没有内容', confirm: '确定', cancel: '取消', save: '保存', saved: '已保存',
    search: '搜索', previous: '上一页', next: '下一页', pageNumber: '第 {n} 页', reason: '原因', reveal: '查看完整信息',
    revealHint: '查看个人信息会记入操作日志，请填写原因。', edit: '编辑', remove: '删除', add: '新增', back: '返回', on: '开启', off: '关闭', copy: '复制', copied: '已复制',
  },
  login: {
    title: '登录运营后台', name: '账号', password: '密码', totp: '动态验证码', submit: '登录', again: '重新登录',
    promise: '把每一位客人，经营成老朋友',
    explain: '商城、支付、用户、内容与数据，一台小服务器就能跑起来的私域操作系统。',
  },
  dashboard: {
    asOf: '数据截至 {at}', period: '时间范围', days: '近 {n} 天', figures: '核心指标', funnel: '四级漏斗', threshold: '健康线', previous: '较上一周期',
    realtime: '最近 {n} 分钟', visitors: '位访客', orders: '笔订单',
    business: '经营', behaviour: '转化与留存', advice: '建议动作', definition: '{label}的口径', nothing: '这段时间没有数据', states: { good: '达标', bad: '未达标', unknown: '样本不足' },
    past: '{on} 之后没有新数据，以下是截至当日的 {n} 天。', stale: '暂时无法刷新：{error}',
  },
  orders: {
    one: '订单', no: '订单号', goods: '商品', member: '会员', total: '金额', state: '状态', placed: '下单时间', export: '导出', search: '订单号 / 手机号 / 商品名开头', from: '下单起', to: '下单止', kind: '类型',
    kinds: { sale: '销售', return: '退货' }, return: '退货', more: '等 {n} 件商品', none: '没有符合条件的订单', open: '查看订单',
    status: { all: '全部', pending_payment: '待付款', paid: '待发货', shipped: '已发货', completed: '已完成', cancelled: '已取消' },
    items: '商品金额', shipping: '运费', paid: '实付', address: '收货信息', remark: '买家留言', timeline: '订单动态', cancel: '取消订单', cancelHint: '先在微信关闭支付，确认后释放库存；此操作不可撤回。',
  },
  payments: {
    channel: { jsapi: '微信支付', native: '扫码支付', internal: '无需支付' },
    state: { created: '已发起', paying: '支付中', paid: '已支付', closed: '已关闭', parked: '已挂账' },
  },
  suspense: {
    explain: '这些钱已经收到，但不能自动归入任何订单。请逐笔核对处理。', none: '没有挂账款项，账目清楚', parked: '挂账时间', reason: '原因', number: '微信支付单号',
    reasons: { wrong_amount: '金额不符', coupon_used: '使用了平台优惠', wrong_currency: '币种不符', wrong_account: '商户号或应用不符', unknown_number: '未知单号', paid_twice: '重复支付', order_closed: '订单已关闭' },
  },
  members: {
    one: '会员', phone: '手机号', level: '等级', joined: '加入时间', seen: '最近登录', search: '手机号 / 昵称开头', none: '没有找到会员', unnamed: '微信用户', number: '会员编号', source: '来源', devices: '设备',
    sources: { login: '小程序登录', import: '历史导入' }, merged: '合并访客 {n}', addresses: '收货地址 {n} 个', consents: '授权记录', granted: '同意', refused: '拒绝', levels: { normal: '普通会员', vip: 'VIP 会员' },
    purpose: { privacy: '隐私政策', analytics: '行为分析', marketing: '营销消息' },
  },
  stock: {
    search: '商品名 / SKU 编码', low: '只看低库存', goods: '商品', onHand: '实物库存', reserved: '已占用', available: '可售', adjust: '调整', movements: '流水', delta: '增减数量', after: '调整后 {before} → {after}',
    at: '时间', kind: '类型', kinds: { received: '入库', adjusted: '人工调整', sold: '售出' },
  },
  audit: {
    at: '时间', actor: '操作人', action: '动作', subject: '对象', change: '变更',
    actions: {
      catalog: { banners_changed: '修改轮播图', category_removed: '删除分类', category_saved: '保存分类', price_changed: '改价', product_created: '新建商品', shelf_changed: '上下架', showcase_changed: '修改首页' },
      inventory: { adjusted: '调整库存' }, kernel: { replayed: '重放通知', retried: '重试任务' }, ordering: { address_revealed: '查看收货信息', orders_exported: '导出订单' },
      members: { addresses_revealed: '查看会员地址', phone_revealed: '查看会员手机号', level_changed: '修改会员等级' },
      shops: { opened: '开店', profile_changed: '修改店铺资料', wechat_changed: '修改微信配置' },
      staff: { added: '添加员工', changed: '修改员工', removed: '移除员工', password_changed: '修改密码', totp_enabled: '开启动态验证码', totp_removed: '关闭动态验证码' },
    },
    subjects: { product: '商品', category: '分类', sku: 'SKU', shop: '店铺', staff: '员工', order: '订单', member: '会员', delivery: '任务', message: '通知', orders: '订单' },
    fields: { title: '标题', prices_fen: '售价', status: '状态', name: '名称', on_hand: '实物库存', reason: '原因', role: '角色', login_name: '账号', level: '等级', notice: '公告', time_zone: '时区', currency: '币种', secrets_replaced: '更换的密钥', environment: '环境' },
  },
  shop: { code: '店铺代码', name: '店铺名称', notice: '店铺公告', noticeHint: '显示在小程序首页顶部', timeZone: '时区', currency: '币种', open: '开一家新店' },
  wechat: {
    test: '去体检', environment: '环境', real: '正式微信', sandbox: '本地沙箱', miniProgram: '小程序', pay: '微信支付', mchid: '商户号', serial: '商户 API 证书序列号', privateKey: '商户 API 私钥', apiKey: 'APIv3 密钥（32 位）',
    publicKeyId: '微信支付公钥 ID', publicKey: '微信支付公钥', kept: '已设置，留空则不变', missing: '尚未设置', explain: '密钥加密保存，只能写入，不会再显示。保存后请运行体检。',
  },
  doctor: { again: '重新体检', next: '下一步：', ok: '一切正常', warn: '可以运行，有几项建议', fail: '有问题需要处理', states: { ok: '正常', warn: '建议', fail: '异常', skip: '未检查' } },
  staff: {
    add: '添加员工', name: '姓名', login: '登录账号', role: '角色', totp: '动态验证码', removeHint: '移除后立即无法登录，确定？', what: '每个角色能做什么', keepPassword: '留空则不修改密码', passwordHint: '至少 10 个字符', removeTotp: '重置动态验证码（手机丢失）',
    roles: { owner: '店主', manager: '店长', clerk: '店员', finance: '财务', analyst: '数据分析' },
    may: { owner: '全部权限，包括员工与微信密钥', manager: '商品、库存、订单、会员、数据', clerk: '处理订单与库存', finance: '退款、付款、对账与账本', analyst: '只看数据看板' },
  },
  account: {
    advised: '你的角色涉及资金，建议开启动态验证码。', totp: '动态验证码', totpHint: '用任意身份验证器扫码，登录时多一道保护。涉及资金的角色请务必开启。', totpStart: '开启', totpOff: '关闭动态验证码', totpRemove: '关闭后登录只需密码，确定？', qr: '身份验证器二维码', scan: '扫码，或手动输入密钥：',
    password: '修改密码', current: '当前密码', new: '新密码', sessions: '登录设备', this: '当前', revoke: '下线',
  },
  products: {
    one: '商品', add: '新建商品', search: '搜索商品', category: '分类', price: '售价', sold: '销量', state: '状态', status: { all: '全部', on_shelf: '在售', off_shelf: '已下架', draft: '草稿' }, kinds: { physical: '实物', virtual: '虚拟', service: '服务' },
    takeOff: '下架', putOn: '上架', title: '商品标题', subtitle: '副标题', kind: '类型', tags: '标签', pictures: '商品图片（第一张为封面）', description: '商品详情', options: '规格与价格', optionName: '规格名', optionValues: '规格值，回车添加',
    addOption: '添加规格', marketPrice: '划线价', memberPrice: '会员价', code: '编码', single: '默认', stockHint: '已有 SKU 的库存请在「库存」中增减，每次都留有流水。', priceMissing: '每个 SKU 都要有售价',
  },
  categories: { name: '名称', parent: '上级分类', position: '排序', count: '商品数', removeHint: '删除此分类？' },
  pictures: { one: '图片 {n}', busy: '上传中' },
  rich: { tools: '编辑工具', bold: '加粗', heading: '标题', paragraph: '正文', list: '列表', plain: '清除格式', image: '插入图片' },
  decoration: { explain: '首页黄金三角：爆品 + 套餐 + 活动', preview: '预览', banners: '轮播图', hot: '爆品', bundles: '套餐', activities: '活动', title: '标题', subtitle: '副标题', addProduct: '添加商品' },
  work: {
    dead: '失败的任务', deadHint: '重试多次仍未成功的任务，查明原因后可以再试。', noneDead: '没有失败的任务', failed: '失败时间', name: '任务', event: '事件', tries: '次数', reason: '原因', retry: '重试', started: '已开始',
    inbox: '收到的通知', inboxHint: '微信发来的通知原文先存后办，修复问题后可以重放。', received: '收到时间', source: '来源', number: '编号', state: '状态', states: { new: '待处理', done: '已处理', dead: '失败' }, replay: '重放',
  },
  imports: {
    how: '用命令导入其他系统的历史订单：', none: '还没有导入过', at: '时间', files: '文件', report: '结果', refusals: '未导入的行', noRefusals: '每一行都已导入', file: '文件', line: '行号', content: '内容', took: '用时 {s} 秒', dry: '试运行',
    figures: { lines: '读入行数', imported: '导入', known: '已有', refused: '未导入', orders: '订单', returns: '退货单', known_orders: '已有订单', customers: '客户', products: '商品', sold_fen: '销售额', returned_fen: '退货额', lines_per_second: '每秒行数' },
    reasons: {
      amount_too_large: '金额过大', columns_missing: '缺少列', customer_missing: '没有对应客户', item_missing: '没有对应商品', order_differs: '与已导入的订单不一致', order_too_long: '订单行数过多', price_malformed: '价格格式不对', price_negative: '价格为负',
      price_too_precise: '价格小数过多', price_zero: '价格为零', quantity_malformed: '数量格式不对', quantity_too_large: '数量过大', quantity_zero: '数量为零', time_in_future: '时间在未来', time_malformed: '时间格式不对',
    },
  },
}
