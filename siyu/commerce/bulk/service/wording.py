"""Why a line was not taken, in words: what stands beside the stable code in a table for people."""

from siyu.kernel.i18n import Language

ERROR_HEADER: dict[Language, list[str]] = {
    "zh-CN": ["行号", "列", "原因", "内容", "原因代码"],
    "en": ["Line", "Column", "Reason", "Content", "Code"],
}
_REASONS: dict[str, tuple[str, str]] = {
    "missing": ("必填项为空", "Needed, and empty"),
    "too_long": ("内容过长", "Too long"),
    "malformed": ("格式不对", "Malformed"),
    "too_precise": ("小数位过多", "Too many decimals"),
    "negative": ("不能为负", "Negative"),
    "too_large": ("数值过大", "Too large"),
    "unknown": ("无法识别", "Unknown"),
    "repeated": ("文件中重复", "Twice in the file"),
    "with_product": ("同一商品的其他行有误", "Another line of this product is wrong"),
    "options_differ": ("规格项与商品不一致", "Other options than the product has"),
    "another_product": ("编码属于另一商品", "The code is another product's"),
    "picture_missing": ("找不到图片", "Picture not found"),
    "picture_refused": ("图片无法使用", "Picture cannot be used"),
    "too_many_lines": ("行数过多", "Too many lines"),
    "version_missing": ("缺少版本", "No version"),
    "inventory.stock_changed": ("库存已被他人修改", "Changed by somebody else"),
    "inventory.out_of_range": ("库存超出范围", "Out of range"),
    "inventory.not_found": ("没有库存记录", "No stock is kept"),
    "inventory.bad_quantity": ("数量无效", "Invalid quantity"),
    "catalog.bad_product": ("商品资料有误", "Not valid"),
    "catalog.sku_code_taken": ("商家编码已被使用", "Code in use"),
    "catalog.not_ready_for_shelf": ("没有图片，不能上架", "No picture, cannot go on the shelf"),
    "catalog.product_changed": ("商品已被他人修改", "Changed by somebody else"),
    "amount_too_large": ("金额过大", "Amount too large"),
    "columns_missing": ("缺少列", "Columns missing"),
    "customer_missing": ("没有对应客户", "Unknown customer"),
    "item_missing": ("没有对应商品", "Unknown item"),
    "not_sold": ("未付款或已退款，不是销售", "Never paid, or paid back: no sale"),
    "order_differs": ("与已导入的订单不一致", "Differs from the order imported before"),
    "order_too_long": ("订单行数过多", "Too many lines in the order"),
    "price_malformed": ("价格格式不对", "Price malformed"),
    "price_negative": ("价格为负", "Negative price"),
    "price_too_precise": ("价格小数过多", "Price has too many decimals"),
    "quantity_malformed": ("数量格式不对", "Quantity malformed"),
    "quantity_too_large": ("数量过大", "Quantity too large"),
    "quantity_zero": ("数量为零", "Quantity is zero"),
    "time_in_future": ("时间在未来", "Time in the future"),
    "time_malformed": ("时间格式不对", "Time malformed"),
}


def word_reason(code: str, language: Language) -> str:
    """The reason in words; a code we have none for stays as it is."""
    words = _REASONS.get(code)
    return code if words is None else words[0 if language == "zh-CN" else 1]
