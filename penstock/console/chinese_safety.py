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
    "Who changed what, when and from where. Entries are never changed or deleted, except that erasing a customer "
    "empties what is personal; each is bound to the one before it by a hash.": (
        "谁在何时、从何处更改了什么。记录只增不改（仅清除客户数据时清空其个人信息），每条都以哈希值与上一条相连。"
    ),
    "Add an operator": "添加操作员",
    "From address": "来源地址",
    "No operators yet: everybody uses the admin token, and the audit log cannot tell them apart.": (
        "还没有操作员：所有人共用管理令牌，审计日志无法区分是谁。"
    ),
    "Operators": "操作员",
    "Or get a link that signs in once:": "也可以获取一次性登录链接：",
    "Paste your operator's token, or the admin token that lies in the workspace:": (
        "请粘贴您的操作员令牌，或工作区中的管理令牌："
    ),
    "Remove…": "移除…",
    "Removed: its token and its sessions hold no more.": "已移除：其令牌与会话立即失效。",
    "Role": "角色",
    "Sign it out": "使其退出",
    "Since": "自",
    "That browser is signed out.": "该浏览器已退出登录。",
    "The new operator's token": "新操作员的令牌",
    "Token": "令牌",
    "Until": "至",
    "Who may do what here. The admin token in the workspace always signs in an owner.": (
        "谁可以做什么。工作区中的管理令牌始终以所有者身份登录。"
    ),
    "Yes, remove it": "确认移除",
    "Your role may not do this.": "您的角色无权执行此操作。",
    "For what": "用途",
    "Hours that the old key goes on": "旧密钥继续有效的小时数",
    "It makes and ends keys that may do no more than itself": "可创建和停用权限不超过自身的密钥",
    "Last used": "最近使用",
    "Replace it": "确认更换",
    "Replace…": "更换…",
    "billing-only": "仅账单",
    "customer": "客户",
    "full": "全部",
    "manages keys": "可管理密钥",
    "read-only": "只读",
    "finance": "财务",
    "operator": "运营",
    "viewer": "只读",
    "this browser": "本浏览器",
    "this sign-in link is over": "此登录链接已过期",
    "this sign-in link was used before, or belongs to an office that has ended": (
        "此登录链接已使用过，或属于已结束的后台"
    ),
    "this token does not sign in here": "此令牌无法在此登录",
    "office": "后台",
    "owner": "所有者",
    "the admin token": "管理令牌",
    "{count} more": "另有 {count} 项",
}
