"""The console's phrases in Chinese, part two: how a customer pays, and how an invoice is undone."""

from __future__ import annotations

MONEY = {
    "Money received in advance. How the customer pays stays as it is.": "预先收到的款项。客户的付款方式不变。",
    "Credit note…": "贷项通知单……",
    "A numbered document that reduces what is open. What is more was paid, and goes to the customer's credit.": (
        "有编号的单据，先减少未付金额；超出部分已付，转入客户余额。"
    ),
    "Amount with tax, at most {amount}": "含税金额，至多 {amount}",
    "What was paid goes back by bank instead": "已付部分改为退回银行账户",
    "Issue the credit note": "开具贷项通知单",
    "Void…": "作废……",
    "The invoice keeps its number and asks for nothing. Its month can be closed again for this customer.": (
        "账单保留编号，不再要求付款。该客户的这个月可重新结账。"
    ),
    "Void the invoice": "作废账单",
    "Void since {day}: {reason}": "已于 {day} 作废：{reason}",
    "credit note": "贷项通知单",
    "{amount} off what was open": "未付金额减少 {amount}",
    "The credit note is issued.": "贷项通知单已开具。",
    "The invoice is void. Closing its month again issues what is right.": "账单已作废。重新结账即可开具正确的账单。",
    "void": "已作废",
    "credited": "已冲销",
    "How it pays": "付款方式",
    "Tax {rate} on {net}": "税额 {rate}（计税金额 {net}）",
    "tax {rate}": "税率 {rate}",
    "From month": "起始月份",
    "Rate": "税率",
    "the company's": "公司税率",
    "The company's rate, in every month.": "各月均适用公司税率。",
    "A rate of its own…": "单独税率……",
    "Use and fees of that month and later have this rate. Invoiced months keep theirs.": (
        "该月及以后的用量和月费适用此税率；已出账的月份不变。"
    ),
    "Rate: such as 6%, 0% if exempt, or company": "税率：如 6%；免税填 0%；恢复公司税率填 company",
    "Reason: it stands on the customer's invoices": "原因：将印在客户账单上",
    "The tax rate is set, from its month on.": "税率已设定，自所填月份起生效。",
    "Credit balance": "预付余额",
    "It owes": "欠款",
    "Left to spend": "可用余额",
    "not bounded": "不限",
    "open invoices": "未付账单",
    "plan fees": "套餐费",
    "running use": "未出账用量",
    "held by requests": "请求占用",
    "money a month": "每月消费",
    "key {name}, money a month": "密钥 {name} 每月消费",
    "{used} of {limit} used": "已用 {used}，限额 {limit}",
    "Money a month before tax, blank for none": "每月消费限额（不含税），留空则不限",
    "tax on what is not invoiced": "未出账部分的税额",
    "Prepaid: it is served as long as its credit covers all it owes. By invoice, it is served whatever it owes.": (
        "预付：余额足以支付全部欠款时才提供服务。改为账单付款后，无论欠款多少都提供服务。"
    ),
    "By invoice: it is served whatever it owes, and its invoices take its credit first. Prepaid, its use stops when "
    "its credit no longer covers what it owes.": (
        "账单付款：无论欠款多少都提供服务，出账时先扣余额。改为预付后，余额不足以支付欠款即停止服务。"
    ),
    "It would stop at once: {amount} of credit is missing.": "改为预付后将立即停止服务：余额还差 {amount}。",
    "Change to: by invoice": "改为账单付款",
    "Change to: prepaid": "改为预付",
    "The terms are set: gateways follow within a second.": "付款方式已更改：网关将在一秒内生效。",
    "Keep what is more than the open amount as credit": "超出未付金额的部分留作余额",
    "Take it from credit…": "用余额支付……",
    "Take it from credit": "用余额支付",
    "Amount: {credit} of credit is left": "金额：余额还有 {credit}",
    "Preview": "预览",
    "Preview of {month}": "{month} 账单预览",
    "What closing the month now would ask. Nothing is issued.": "若现在结账，各客户应付如下。尚未开具任何账单。",
    "From credit": "预付款抵扣",
    "draft": "草稿",
    "Nobody used anything or had a plan in this month.": "本月没有用量，也没有套餐。",
    "Cannot be invoiced": "无法出账",
    "Look at it first": "先预览",
    "this month so far": "本月至今",
    "Send by e-mail…": "通过邮件发送…",
    "sent to {address}, {time}": "已于 {time} 发送至 {address}",
    "To": "收件人",
    "Send": "发送",
    "Send again": "再次发送",
    "The mail server took it.": "邮件服务器已接收。",
}
