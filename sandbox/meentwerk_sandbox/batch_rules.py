"""bin/batch rules: the whole list of server rules, with their translations."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from . import limits
from .batch_items import result
from .clock import now
from .config import Config
from .models import Rule, RuleTranslation


def rules(session: Session, _config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The whole list of server rules, in order; a rule that is not in it any more is retired, as Mastodon does."""
    kept = list(session.scalars(select(Rule).where(Rule.deleted_at.is_(None)).order_by(Rule.priority, Rule.id)))
    results = []
    for priority, item in enumerate(items):
        text, hint = item["text"].strip(), (item.get("hint") or "").strip()
        if not text:
            results.append(result(item["text"], "failed", "Text can't be blank"))
            continue
        if len(text) > limits.RULE:
            results.append(result(text, "failed", f"Text is too long (maximum is {limits.RULE} characters)"))
            continue
        if problem := _translations_problem(item.get("translations")):
            results.append(result(text, "failed", problem))
            continue
        same = next((rule for rule in kept if rule.text == text), None)
        if same is None:
            made = Rule(text=text, hint=hint, priority=priority)
            session.add(made)
            _translate(made, item.get("translations"))
            results.append(result(text, "created"))
            continue
        kept.remove(same)
        changed = (same.hint, same.priority) != (hint, priority)
        same.hint, same.priority = hint, priority
        changed |= _translate(same, item.get("translations"))
        results.append(result(text, "updated" if changed else "unchanged"))
    if any(result["outcome"] == "failed" for result in results):
        return results  # half a list of rules must not retire the other half
    for rule in kept:
        rule.deleted_at = now()
        results.append(result(rule.text, "deleted"))
    return results


def _translations_problem(translations: dict[str, Any] | None) -> str | None:
    """Why translations cannot be stored (RuleTranslation); None when they can."""
    for language, words in (translations or {}).items():
        if not isinstance(words, dict) or set(words) - {"text", "hint"}:
            return f"translations.{language} must hold text and hint"
        text, hint = words.get("text"), words.get("hint")
        if not isinstance(text, str) or not text.strip():
            return f"translations.{language}: Text can't be blank"
        if len(text.strip()) > limits.RULE:
            return f"translations.{language}: Text is too long (maximum is {limits.RULE} characters)"
        if not isinstance(hint, str | None):
            return f"translations.{language}.hint must be text"
    return None


def _translate(rule: Rule, translations: dict[str, Any] | None) -> bool:
    """Bring a rule's translations in line; whether anything changed. None leaves them alone."""
    if translations is None:
        return False
    wanted = {code: (it["text"].strip(), (it.get("hint") or "").strip()) for code, it in translations.items()}
    there = {it.language: (it.text, it.hint) for it in rule.translations}
    if wanted == there:
        return False
    for it in list(rule.translations):
        if it.language not in wanted:
            rule.translations.remove(it)
        else:
            it.text, it.hint = wanted[it.language]
    for code, (text, hint) in wanted.items():
        if code not in there:
            rule.translations.append(RuleTranslation(language=code, text=text, hint=hint))
    return True
