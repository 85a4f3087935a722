export default {
  nav: {
    menu: '菜单', shop: '当前店铺', account: '我的账号', logout: '退出登录',
    insight: '数据决策', dashboard: '经营看板',
    commerce: '交易', orders: '订单', products: '商品', categories: '分类', decoration: '首页装修', stock: '库存',
    people: '用户', members: '会员',
    money: '资金', payments: '支付', suspense: '挂账款项',
    settings: '设置', shopProfile: '店铺资料', wechat: '微信配置', staff: '员工与角色', audit: '操作日志', work: '后台任务', imports: '历史导入', doctor: '配置体检',
  },
  common: {
    denied: '你的角色没有查看此页面的权限,请联系店主。', loading: '加载中', retry: '重试', empty: '这里还没有内容', confirm: '确定', cancel: '取消', save: '保存', saved: '已保存',
    search: '搜索', previous: '上一页', next: '下一页', pageNumber: '第 {n} 页', reason: '原因', reveal: '查看完整信息',
    revealHint: '查看个人信息会记入操作日志,请填写原因。', edit: '编辑', remove: '删除', add: '新增', back: '返回', on: '开启', off: '关闭', copy: '复制', copied: '已复制',
  },
  login: {
    title: '登录运营后台', name: '账号', password: '密码', totp: '动态验证码', submit: '登录',
    promise: '把每一位客人,经营成老朋友',
    explain: '商城、支付、用户、内容与数据,一台小服务器就能跑起来的私域操作系统。',
  },
  dashboard: {
    asOf: '数据截至 {at}', period: '时间范围', days: '近 {n} 天', figures: '核心指标', funnel: '四级漏斗', threshold: '健康线', previous: '较上一周期',
    realtime: '最近 {n} 分钟', visitors: '位访客', orders: '笔订单',
  },
  orders: {
    one: '订单', no: '订单号', goods: '商品', member: '会员', total: '金额', state: '状态', placed: '下单时间', export: '导出', search: '订单号 / 手机号 / 商品名开头', from: '下单起', to: '下单止', kind: '类型',
    kinds: { sale: '销售', return: '退货' }, return: '退货', more: '等 {n} 件商品', none: '没有符合条件的订单', open: '查看订单',
    status: { all: '全部', pending_payment: '待付款', paid: '待发货', shipped: '已发货', completed: '已完成', cancelled: '已取消' },
    items: '商品金额', shipping: '运费', paid: '实付', address: '收货信息', remark: '买家留言', timeline: '订单动态', cancel: '取消订单', cancelHint: '先在微信关闭支付,确认后释放库存;此操作不可撤回。',
  },
  payments: {
    channel: { jsapi: '微信支付', native: '扫码支付', internal: '无需支付' },
    state: { created: '已发起', paying: '支付中', paid: '已支付', closed: '已关闭', parked: '已挂账' },
  },
  suspense: {
    explain: '这些钱已经收到,但不能自动归入任何订单。请逐笔核对处理。', none: '没有挂账款项,账目清楚', parked: '挂账时间', reason: '原因', number: '微信支付单号',
    reasons: { wrong_amount: '金额不符', coupon_used: '使用了平台优惠', wrong_currency: '币种不符', wrong_account: '商户号或应用不符', unknown_number: '未知单号', paid_twice: '重复支付', order_closed: '订单已关闭' },
  },
  members: {
    one: '会员', phone: '手机号', level: '等级', joined: '加入时间', seen: '最近登录', search: '手机号 / 昵称开头', none: '没有找到会员', unnamed: '微信用户', number: '会员编号', source: '来源', devices: '设备',
    merged: '合并访客 {n}', addresses: '收货地址 {n} 个', consents: '授权记录', granted: '同意', refused: '拒绝', levels: { normal: '普通会员', vip: 'VIP 会员' },
    purpose: { privacy: '隐私政策', analytics: '行为分析', marketing: '营销消息' },
  },
  stock: {
    search: '商品名 / SKU 编码', low: '只看低库存', goods: '商品', onHand: '实物库存', reserved: '已占用', available: '可售', adjust: '调整', movements: '流水', delta: '增减数量', after: '调整后 {before} → {after}',
    at: '时间', kind: '类型', kinds: { opened: '建档', adjusted: '人工调整', adjust: '人工调整', sold: '售出', consumed: '售出', returned: '退回', setup: '建档' },
  },
  audit: { at: '时间', actor: '操作人', action: '动作', subject: '对象', change: '变更' },
}
