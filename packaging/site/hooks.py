"""What the pages of docs/ need to become a site: links that leave the folder lead to the repository."""

import re

REPOSITORY = "https://github.com/wsdial/wsdial/blob/main/"


def on_page_markdown(markdown, page, config, files):
    del page, files
    return re.sub(r"\]\(\.\./([^)]+)\)", lambda link: f"]({REPOSITORY}{link.group(1)})", markdown)
