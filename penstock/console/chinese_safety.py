"""Phrases of the pages about who may do what, and who did what, in Chinese."""

from __future__ import annotations

SAFETY = {
    "About: an id, or a customer's or partner's name": "关于：某个 ID，或客户、伙伴的名称",
    "Act": "操作",
    "Audit log": "审计日志",
    "Check the log": "校验日志",
    "From day": "自（日期）",
    "Keep its head somewhere else:": "请把日志末尾的校验值另存他处：",
    "No entry is like that.": "没有符合条件的记录。",
    "Nothing was changed yet.": "还没有任何变更。",
    "The log is not whole": "日志不完整",
    "The log is whole: {count} entries.": "日志完整：共 {count} 条。",
    "To day": "至（日期）",
    "What changed": "变更内容",
    "When": "时间",
    "Who": "操作者",
    "Who changed what, when and from where. Entries are never changed or deleted; each is bound to the one before it "
    "by a hash.": "谁在何时、从何处更改了什么。记录只增不改，每条都以哈希值与上一条相连。",
    "customer": "客户",
    "office": "后台",
    "owner": "所有者",
    "the admin token": "管理令牌",
    "{count} more": "另有 {count} 项",
}
