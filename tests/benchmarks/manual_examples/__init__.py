"""The examples of the frameworks' manuals, each under the path ``/hello``.

Where a manual shows how to answer in JSON, that example stands here, otherwise its first one. Settings are those of the
manual's tutorial: Django's projects keep the middleware that ``startproject`` lists.
"""
