"""What the pages of docs/ need to become a site: links that leave the folder lead to the repository, and no page asks anybody."""

import re

REPOSITORY = "https://github.com/wsdial/wsdial/blob/main/"


def on_page_markdown(markdown, page, config, files):
    del page, files
    return re.sub(r"\]\(\.\./([^)]+)\)", lambda link: f"]({REPOSITORY}{link.group(1)})", markdown)


def on_post_page(output, page, config):
    """The theme asks api.github.com for stars, from each reader's browser, where it finds this mark."""
    del page, config
    return output.replace(' data-md-component="source"', "")


def on_post_template(output, template_name, config):
    """The same for the page that is shown where there is none."""
    return on_post_page(output, template_name, config)
